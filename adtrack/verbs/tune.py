"""tune: a study from its first trial to the registered bank."""

import contextlib
from datetime import datetime

from adtrack.config import BuildSpec
from adtrack.errors import UserError
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.experiment import chosen_experiment, experiment_name
from adtrack.tracking.made_with import depth_params, log_surroundings, view_params
from adtrack.tracking.places import is_server
from adtrack.tracking.registry import registry_name
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.sqlite import sqlite_file
from adtrack.tracking.store import open_store, quoted, without_password
from adtrack.tracking.tags import ROLE, STORAGE, STUDY_KEY
from adtrack.tracking.trials import adopt_trials, parent_in, study_home, study_parent
from adtrack.tracking.workers import working
from adtrack.tuning.finish import StudyResult, finish
from adtrack.tuning.runner import Trials
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import check_url, default_storage, reachable
from adtrack.tuning.study import prepare
from adtrack.verbs.bench_setup import Say, open_bench
from adtrack.verbs.checks import need_anomalies


def tune(
    spec: BuildSpec, study: StudySpec, name: str | None, storage: str | None, device: str, say: Say, warn: Say
) -> StudyResult:
    """Run the study, or go on with it, then test, register and write up its best bank.

    Several processes may run it together, on one machine or, with a PostgreSQL storage, on many: they share the
    trials, and the first that finds all of them finished does the rest.
    """
    need_anomalies(spec.data, "tune")
    inputs = study.space.all_inputs(spec.detector)
    registry_name(spec.data.class_name)
    if name:
        quoted(name)  # what cannot be searched for later
    if storage:
        check_url(storage)
    tracking_uri = open_store()
    storage = storage or default_storage(tracking_uri)
    if is_server(tracking_uri) and storage.startswith("sqlite"):
        say(
            f"The study's trials are dealt out in {sqlite_file(storage)}, on this machine alone; "
            "--storage postgresql://… lets other machines take part."
        )
    bench = open_bench(spec, inputs, device, warn)
    with working() as worker, reachable(storage), contextlib.ExitStack() as at_work:
        trials = prepare(bench, spec.detector, study, name, storage, worker, say)
        with trials.alone("parent"):
            run = at_work.enter_context(_parent_run(trials, _title(bench, name)))
            _describe(run, bench, study)
            trials.open_parent(run)
        trials.run()
        with trials.alone("finish"):
            adopt_trials(trials.name, run.run_id)
            return finish(trials)


def _title(bench: Workbench, name: str | None) -> str:
    """What MLflow lists a new study as, and shows the beginning of; what it is found by again is in its tags."""
    words = f"{bench.opened.data.class_name} {bench.backbone.trunk.network} {datetime.now().astimezone():%Y-%m-%d}"
    return f"{name} ({words})" if name else words


def _parent_run(trials: Trials, title: str) -> contextlib.AbstractContextManager[Run]:
    """The run that holds the study: the one that it has where its trials are, or a new one."""
    earlier = study_parent(trials.name)
    known = run_tags(earlier) if earlier else {}
    if known.get(STUDY_KEY, trials.key) != trials.key:
        raise UserError(
            f"study {trials.name} must go on with the Optuna storage that it began with, "
            f"{known.get(STORAGE, 'the first one')}, but this is another one.",
            "name the first one with --storage, or choose another --study.",
        )
    home, chosen = study_home(trials.name), chosen_experiment()
    if home not in (None, chosen):
        trials.say(f"Study {trials.name} goes on in experiment {experiment_name(home)}, where its trials are.")
    place = home or chosen
    run_id = parent_in(place, trials.name)
    extra = {ROLE: "study", STUDY_KEY: trials.key, STORAGE: without_password(trials.storage)}
    return tracked_run(trials.worker, trials.tags, name=title, run_id=run_id, experiment=place, extra=extra)


def _describe(run: Run, bench: Workbench, study: StudySpec) -> None:
    run.log_params(
        {
            "class": bench.opened.data.class_name,
            "backbone": bench.backbone.trunk.network,
            "weights": bench.backbone.trunk.origin,
            "weights_sha256": bench.backbone.trunk.sha256,
            "metric": study.metric,
            "objective": study.objective,
            "sampler": study.sampler,
            "seed": str(study.seed),
            **view_params(bench),
            **depth_params(bench),
        }
    )
    log_surroundings(run, bench)
