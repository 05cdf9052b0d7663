"""How a process takes part in a study: it opens the class, the study in Optuna's storage, and the run that holds it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from adtrack.config import DEFAULT_METHOD, BuildSpec
from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.errors import UserError
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.workbench import TrunkLoader, Workbench
from adtrack.threshold_spec import AUTO, BOTH
from adtrack.tracking.experiment import chosen_experiment, experiment_name
from adtrack.tracking.made_with import depth_params, licence_params, log_surroundings, threshold_params, view_params
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import without_password
from adtrack.tracking.tags import ROLE, STORAGE, STUDY_KEY, WRITTEN_UP
from adtrack.tracking.trials import adopt_trials, parent_in, study_home, study_parent
from adtrack.tracking.weights import find_trunk
from adtrack.tracking.workers import Worker
from adtrack.tuning.finish import StudyResult, finish
from adtrack.tuning.runner import take_over
from adtrack.tuning.shared_study import SharedStudy
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import reachable
from adtrack.tuning.study import open_shared
from adtrack.verbs.bench_setup import Say, from_few, open_bench
from adtrack.verbs.tune.question import Question


@contextlib.contextmanager
def opened(
    question: Question, worker: Worker, say: Say, warn: Say, load: TrunkLoader = find_trunk
) -> Iterator[SharedStudy]:
    """The study with all that its trials need, on which ``worker`` is at work until the end of the ``with`` block."""
    spec, asked = question.spec, question.study
    inputs, sets = asked.space.all_inputs(spec.detector), ("train_clean", *VAL_SETS, *TEST_SETS)
    bench = open_bench(spec, inputs, question.device, warn, sets, load)
    with reachable(question.storage):
        study = open_shared(bench, spec, asked, question.name, question.storage, question.device, worker)
        _say_what_is_kept(study, spec, asked, say)
        yield study


@dataclass(frozen=True)
class JoinedStudy:
    """A study that this process takes part in, the run that holds it, and what that run's tag WRITTEN_UP said then."""

    study: SharedStudy
    run: Run
    written_up: str

    def finish(self, say: Say) -> StudyResult:
        """Test and register the best model, and write the study up."""
        with self.study.alone("finish"):
            adopt_trials(self.study.name, self.run.run_id)
            return finish(self.study, self.run, self.written_up, say)


@contextlib.contextmanager
def joined(study: SharedStudy, name: str | None, say: Say) -> Iterator[JoinedStudy]:
    """Take part in an opened study, whose user calls it ``name``, until the end of the ``with`` block."""
    with contextlib.ExitStack() as at_work:
        with study.alone("parent"):
            title = _title(study.bench, study.spec.detector.method, name)
            run = at_work.enter_context(_parent_run(study, title, say))
            _describe(run, study)
            written_up = run_tags(run.run_id).get(WRITTEN_UP, "")
            take_over(study, run)
        yield JoinedStudy(study, run, written_up)


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
