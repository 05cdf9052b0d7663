"""How runs are opened and how they end."""

import contextlib
import traceback
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities import RunStatus
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from adtrack.tracking.experiment import chosen_experiment, take_joined_run
from adtrack.tracking.pointers import pointing
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import has_file, run_experiment, run_file
from adtrack.tracking.stopping import stopped_later
from adtrack.tracking.store import few_retries, quoted, search_runs
from adtrack.tracking.system_metrics import watched
from adtrack.tracking.tags import STUDY, TRIAL, WORKER, RunTags
from adtrack.tracking.workers import Worker

_ERROR_FILE, _PAST = "error.txt", "Past"


@contextlib.contextmanager
def tracked_run(
    worker: Worker,
    tags: RunTags,
    *,
    name: str | None = None,
    run_id: str | None = None,
    parent: Run | None = None,
    experiment: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """An MLflow run that ends as what happened: FINISHED, KILLED by Ctrl-C, or FAILED with ``error.txt``.

    ``run_id`` opens an existing run again. Without it a new run is made: below ``parent``, in the parent's experiment,
    or else in ``experiment``, by default in the chosen one. A run that ``mlflow run`` has made in that experiment is
    joined instead of making one. If ``mlflow run`` has made one in another experiment, or if an existing run is opened
    again, the run of ``mlflow run`` points to this one. Once a reopened run finishes, its old ``error.txt`` says that
    the error is past.
    """
    texts = {**tags.texts(), WORKER: worker.name, **(extra or {})}
    if name and not run_id:
        texts[MLFLOW_RUN_NAME] = name
    run: Run | None = None
    try:
        with stopped_later():  # a run that was just made is known, and ended
            run, pointer = _opened(worker, texts, run_id, parent, experiment)
        with watched(run.run_id, resumed=run_id is not None), pointing(pointer, run, texts):
            yield run
    except KeyboardInterrupt:
        if run:
            _end_after_error(run, RunStatus.KILLED)
        raise
    except BaseException:
        if run:
            with contextlib.suppress(Exception), few_retries():
                run.log_text(traceback.format_exc(), _ERROR_FILE)
            _end_after_error(run, RunStatus.FAILED)
        raise
    MlflowClient().set_terminated(run.run_id)
    if run_id is not None:
        _put_error_in_the_past(run)


@contextlib.contextmanager
def reopened_run(run_id: str, worker: Worker) -> Iterator[Run]:
    """A finished run to which ``worker`` logs more: whatever happens meanwhile, what it held is still finished."""
    run = _resumed(run_id, worker, {WORKER: worker.name})
    try:
        with watched(run_id, resumed=True):
            yield run
    except BaseException:
        _end_after_error(run, RunStatus.FINISHED)
        raise
    MlflowClient().set_terminated(run_id)


def end_open(study: str, trials: Collection[int]) -> None:
    """End the RUNNING runs of a study's trials that have these numbers, as FINISHED."""
    condition = f"tags.`{STUDY}` = {quoted(study)} and attributes.status = 'RUNNING'"
    numbers = {str(number) for number in trials}
    for run in search_runs(condition):
        if run.data.tags.get(TRIAL, "") in numbers:
            MlflowClient().set_terminated(run.info.run_id)


def _opened(
    worker: Worker, tags: Mapping[str, str], run_id: str | None, parent: Run | None, experiment: str | None
) -> tuple[Run, str | None]:
    """The run that ``tracked_run`` is asked for, and the one of ``mlflow run`` that points to it, if there is one."""
    if run_id:
        return _resumed(run_id, worker, tags), take_joined_run()
    if parent:
        return _new(parent.experiment_id, worker, {**tags, MLFLOW_PARENT_RUN_ID: parent.run_id}), None
    return _first(experiment or chosen_experiment(), worker, tags)


def _first(experiment: str, worker: Worker, tags: Mapping[str, str]) -> tuple[Run, str | None]:
    """The run of ``mlflow run`` if it is in this experiment; else a new run, and that of ``mlflow run`` as its pointer,
    if there is one."""
    joined = take_joined_run()
    if joined and run_experiment(joined) == experiment:
        return _resumed(joined, worker, tags), None
    return _new(experiment, worker, tags), joined


def _new(experiment: str, worker: Worker, tags: Mapping[str, str]) -> Run:
    """A new run. Its tags come with it: whenever this process is killed, the run can be found and ended.

    ``resolve_tags`` adds what MLflow's pages show of every run: the user, the command and the commit.
    """
    made = MlflowClient().create_run(experiment, tags=resolve_tags(dict(tags)))
    return Run(made.info.run_id, experiment, worker)


def _resumed(run_id: str, worker: Worker, tags: Mapping[str, str]) -> Run:
    """A run that exists, made RUNNING again."""
    run = Run(run_id, run_experiment(run_id), worker)
    MlflowClient().update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    run.set_tags(tags)
    return run


def _end_after_error(run: Run, status: int) -> None:
    """End a run if the store still answers: what went wrong first is what the user must see."""
    with contextlib.suppress(Exception), few_retries():
        MlflowClient().set_terminated(run.run_id, RunStatus.to_string(status))


def _put_error_in_the_past(run: Run) -> None:
    """Say in front of ``error.txt``, if there is one, that the run has finished since."""
    if not has_file(run.run_id, _ERROR_FILE):
        return
    text = run_file(run.run_id, _ERROR_FILE).read_text(encoding="utf-8")
    if not text.startswith(_PAST):
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        text = f"{_PAST}: the run went on and finished, {now}. What had stopped it before:\n\n{text}"
        run.log_text(text, _ERROR_FILE)
