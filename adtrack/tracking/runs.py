"""Runs: how they open and end, and their parameters, metrics, tags and files."""

import contextlib
import traceback
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.time import get_current_time_millis

from adtrack.errors import UserError
from adtrack.tracking.experiment import chosen_experiment, enter, joined_run, take_joined_run
from adtrack.tracking.places import is_server
from adtrack.tracking.pointers import pointing
from adtrack.tracking.store import quoted, search_runs, soon, without_password
from adtrack.tracking.tags import CLASS, DIGEST, STUDY
from adtrack.tracking.workers import WORKER_TAG, Worker
from adtrack.troubles import trouble

NO_STUDY = "none"
_ERROR_FILE, _PAST = "error.txt", "Past"
NOTE_TAG = "mlflow.note.content"  # what the tracking UI shows as a run's description, Markdown


@dataclass(frozen=True)
class RunTags:
    """What every run is found by, parent or child."""

    class_name: str
    method: str
    study: str
    split_digest: str

    def texts(self) -> dict[str, str]:
        """As MLflow tags."""
        return {
            CLASS: self.class_name,
            "adtrack.method": self.method,
            STUDY: self.study,
            DIGEST: self.split_digest,
        }


@contextlib.contextmanager
def tracked_run(
    worker: Worker,
    tags: RunTags,
    *,
    name: str | None = None,
    run_id: str | None = None,
    experiment: str | None = None,
    nested: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """An MLflow run that ends as what happened: FINISHED, KILLED by Ctrl-C, or FAILED with ``error.txt``.

    ``run_id`` opens an existing run again; without it a new one is made in ``experiment``, by default in the one that
    was chosen. A run that ``mlflow run`` has made there is joined instead; if it has made one elsewhere, or for a run
    that exists, that one points to this. What an existing run has failed of before is said to be past when it
    finishes. Yields the run's id.
    """
    place, pointer = _place(run_id, experiment, nested)
    texts = {**tags.texts(), WORKER_TAG: worker.name, **(extra or {})}
    if name and not run_id:
        texts["mlflow.runName"] = name
    # The tags come with the run: killed at any moment, it can be found and ended.
    enter(place)
    run = mlflow.start_run(run_id=run_id, nested=nested, tags=texts)
    try:
        with pointing(pointer, run.info, texts):
            yield run.info.run_id
    except KeyboardInterrupt:
        _end_after_error(RunStatus.KILLED)
        raise
    except BaseException:
        with contextlib.suppress(Exception), soon():
            mlflow.log_text(traceback.format_exc(), _ERROR_FILE)
        _end_after_error(RunStatus.FAILED)
        raise
    mlflow.end_run()
    if run_id is not None:
        _put_error_in_the_past(run.info.run_id)


def _end_after_error(status: int) -> None:
    """End the active run if the store still answers: what went wrong first is what the user must see."""
    with contextlib.suppress(Exception), soon():
        mlflow.end_run(RunStatus.to_string(status))


def _place(run_id: str | None, experiment: str | None, nested: bool) -> tuple[str, str | None]:
    """The experiment to open a run in, and the run of ``mlflow run`` that is not to be joined."""
    if nested:
        return mlflow.active_run().info.experiment_id, None
    place = run_experiment(run_id) if run_id else experiment or chosen_experiment()
    joined = joined_run()
    if joined is None or (run_id is None and run_experiment(joined) == place):
        return place, None
    return place, take_joined_run()


def _put_error_in_the_past(run_id: str) -> None:
    """Say in front of ``error.txt``, if there is one, that the run has finished since."""
    if not has_file(run_id, _ERROR_FILE):
        return
    text = run_file(run_id, _ERROR_FILE).read_text(encoding="utf-8")
    if not text.startswith(_PAST):
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        text = f"{_PAST}: the run went on and finished, {now}. What had stopped it before:\n\n{text}"
        MlflowClient().log_text(run_id, text, _ERROR_FILE)


@contextlib.contextmanager
def reopened_run(run_id: str, worker: Worker) -> Iterator[None]:
    """A finished run to which ``worker`` logs more: whatever happens meanwhile, what it held is still finished."""
    enter(run_experiment(run_id))
    mlflow.start_run(run_id=run_id, nested=True, tags={WORKER_TAG: worker.name})
    try:
        yield
    except BaseException:
        _end_after_error(RunStatus.FINISHED)
        raise
    mlflow.end_run()


def end_open(study: str, run_ids: Collection[str]) -> None:
    """End those of a study's RUNNING runs that are among ``run_ids``, as FINISHED."""
    condition = f"tags.`{STUDY}` = {quoted(study)} and attributes.status = 'RUNNING'"
    for run in search_runs(condition):
        if run.info.run_id in run_ids:
            MlflowClient().set_terminated(run.info.run_id)


def log_params(params: Mapping[str, str]) -> None:
    """Log parameters that the run does not have yet: ``mlflow run`` logs those it was given, in its own words."""
    run_id = mlflow.active_run().info.run_id
    known = MlflowClient().get_run(run_id).data.params
    missing = [Param(key, value) for key, value in params.items() if key not in known]
    MlflowClient().log_batch(run_id, params=missing)


def log_metrics(metrics: Mapping[str, float], model_id: str | None = None, step: int = 0) -> None:
    """Log metrics of the active run in one call, linked to one of its models if ``model_id`` names it.

    Values of different ``step`` are points of a curve.
    """
    now = get_current_time_millis()
    found = [Metric(key, float(value), now, step, model_id) for key, value in metrics.items()]
    MlflowClient().log_batch(mlflow.active_run().info.run_id, metrics=found)


def set_tags(tags: Mapping[str, str]) -> None:
    """Set tags of the active run in one call."""
    MlflowClient().log_batch(mlflow.active_run().info.run_id, tags=[RunTag(*tag) for tag in tags.items()])


def run_tags(run_id: str) -> dict[str, str]:
    """The tags of a run."""
    return MlflowClient().get_run(run_id).data.tags


def run_metrics(run_id: str) -> dict[str, float]:
    """The metrics of a run."""
    return MlflowClient().get_run(run_id).data.metrics


def run_experiment(run_id: str) -> str:
    """The id of the experiment that a run belongs to."""
    return MlflowClient().get_run(run_id).info.experiment_id


def has_file(run_id: str, path: str) -> bool:
    """Whether a run has an artifact at this place."""
    folder = path.rpartition("/")[0] or None
    return path in {item.path for item in MlflowClient().list_artifacts(run_id, folder)}


def run_file(run_id: str, path: str) -> Path:
    """A file among a run's artifacts, fetched if the store is elsewhere. UserError if it is not there."""
    try:
        return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path))
    except (MlflowException, OSError) as error:
        raise trouble(error) or UserError(
            f"run {run_id} must have the artifact {path}, but it is not to be had ({str(error).splitlines()[0]}).",
            "adtrack doctor shows what else has gone.",
        ) from error


def log_folder(folder: Path) -> None:
    """Log everything in ``folder`` to the active run, in one call."""
    mlflow.log_artifacts(str(folder))


def keep_file(run_id: str, file: Path, place: str) -> None:
    """Keep a file among the run's artifacts, if it is not there yet."""
    if not has_file(run_id, f"{place}/{file.name}"):
        MlflowClient().log_artifact(run_id, str(file), place)


def artifact_place(path: str) -> str:
    """Where the active run keeps ``path``: a folder if the store is on this machine, a page if it has a server."""
    page = run_page()
    return f"{page}/artifacts/{path}" if page else local_file_uri_to_path(mlflow.get_artifact_uri(path))


def run_page() -> str | None:
    """The active run's page in the UI of the tracking server, None if the store has no server."""
    uri, run = mlflow.get_tracking_uri(), mlflow.active_run().info
    if not is_server(uri):
        return None
    return f"{without_password(uri).rstrip('/')}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
