"""tune: a study from its first trial to the registered model."""

import contextlib
from dataclasses import replace
from datetime import datetime

from adtrack.config import DEFAULT_METHOD, BuildSpec
from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.errors import UserError
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.workbench import Workbench
from adtrack.features.usual_layers import settled
from adtrack.threshold_spec import AUTO, BOTH
from adtrack.tracking.experiment import chosen_experiment, experiment_name
from adtrack.tracking.made_with import depth_params, licence_params, log_surroundings, threshold_params, view_params
from adtrack.tracking.places import is_server
from adtrack.tracking.registry import registry_name
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.sqlite import sqlite_file
from adtrack.tracking.store import open_store, quoted, without_password
from adtrack.tracking.tags import ROLE, STORAGE, STUDY_KEY, WRITTEN_UP
from adtrack.tracking.trials import adopt_trials, parent_in, study_home, study_parent
from adtrack.tracking.workers import working
from adtrack.tuning.finish import StudyResult, finish
from adtrack.tuning.runner import run_trials, take_over
from adtrack.tuning.shared_study import SharedStudy
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import check_url, default_storage, reachable
from adtrack.tuning.study import open_shared
from adtrack.verbs.bench_setup import Say, from_few, open_bench
from adtrack.verbs.checks import need_anomalies


def tune(
    spec: BuildSpec, study: StudySpec, name: str | None, storage: str | None, device: str, say: Say, warn: Say
) -> StudyResult:
    """Run the study, or go on with it, then test, register and write up its best model.

    Several processes may run it together, on one machine or, with a PostgreSQL storage, on many: they share the
    trials, and the first that finds all of them finished does the rest.
    """
    need_anomalies(spec.data, "tune")
    spec = replace(spec, detector=settled(spec.detector, spec.backbone.name))
    study = replace(study, space=study.space.on(spec.backbone.name))
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
    bench = open_bench(spec, inputs, device, warn, ("train_clean", *VAL_SETS, *TEST_SETS))
    with working() as worker, reachable(storage), contextlib.ExitStack() as at_work:
        shared = open_shared(bench, spec, study, name, storage, device, worker)
        _say_what_is_kept(shared, spec, study, say)
        with shared.alone("parent"):
            run = at_work.enter_context(_parent_run(shared, _title(bench, spec.detector.method, name), say))
            _describe(run, shared)
            written_up = run_tags(run.run_id).get(WRITTEN_UP, "")
            take_over(shared, run)
        run_trials(shared, run, say)
        with shared.alone("finish"):
            adopt_trials(shared.name, run.run_id)
            return finish(shared, run, written_up, say)


def _say_what_is_kept(study: SharedStudy, spec: BuildSpec, asked: StudySpec, say: Say) -> None:
    """Say what the study keeps that a new study of this specification would have otherwise."""
    kept = study.spec.threshold.calibrate_on
    left_out = [key for key in asked.space.values if key not in study.asked.space.values]
    if left_out:
        say(f"Study {study.name} began when studies did not search {', '.join(left_out)}, and goes on without.")
    if spec.threshold.calibrate_on == AUTO and kept != BOTH:
        say(
            f"Study {study.name} began with thresholds from {set_name(kept)} and goes on with them; "
            "--calibrate-on both begins another study."
        )


def _title(bench: Workbench, method: str, name: str | None) -> str:
    """What MLflow lists a new study as. MLflow shows its beginning; the study is found again by its tags."""
    other = "" if method == DEFAULT_METHOD else f"{method} "
    network = f"{other}{bench.backbone.trunk.network}{from_few(bench)}"
    words = f"{bench.opened.data.class_name} {network} {datetime.now().astimezone():%Y-%m-%d}"
    return f"{name} ({words})" if name else words


def _parent_run(study: SharedStudy, title: str, say: Say) -> contextlib.AbstractContextManager[Run]:
    """The run that holds the study: the one that it has where its trials are, or a new one."""
    earlier = study_parent(study.name)
    known = run_tags(earlier) if earlier else {}
    if known.get(STUDY_KEY, study.key) != study.key:
        raise UserError(
            f"study {study.name} must go on with the Optuna storage that it began with, "
            f"{known.get(STORAGE, 'the first one')}, but this is another one.",
            "name the first one with --storage, or choose another --study.",
        )
    home, chosen = study_home(study.name), chosen_experiment()
    if home not in (None, chosen):
        say(f"Study {study.name} goes on in experiment {experiment_name(home)}, where its trials are.")
    place = home or chosen
    run_id = parent_in(place, study.name)
    extra = {ROLE: "study", STUDY_KEY: study.key, STORAGE: without_password(study.url)}
    return tracked_run(study.worker, study.tags, name=title, run_id=run_id, experiment=place, extra=extra)


def _describe(run: Run, shared: SharedStudy) -> None:
    bench, study, threshold = shared.bench, shared.asked, shared.spec.threshold
    run.log_params(
        {
            "class": bench.opened.data.class_name,
            "method": shared.spec.detector.method,
            "backbone": bench.backbone.trunk.network,
            "weights": bench.backbone.trunk.origin,
            "weights_sha256": bench.backbone.trunk.sha256,
            **licence_params(bench.backbone),
            "metric": study.metric,
            "objective": study.objective,
            "sampler": study.sampler,
            "pruner": study.pruner,
            "seed": str(study.seed),
            **view_params(bench),
            **depth_params(bench),
            **bench.opened.fewer_images,
            **threshold_params(threshold.facts()),
        }
    )
    log_surroundings(run, bench)
