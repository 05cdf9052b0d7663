"""One trial: from specifications to an outcome, as any process or machine can run it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from adtrack.config import BuildSpec, DetectorSpec
from adtrack.data.imageset import VAL_SETS
from adtrack.detectors import detector_class
from adtrack.evaluation.building import BuiltModel, TimedFit, climb, complete
from adtrack.evaluation.evaluate import PIXEL_METRICS, ScoredSet
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.log_evaluation import log_built
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_experiment
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import FEASIBLE, MODEL, NOTE, PRUNED, ROLE, SEARCHED, TRIAL, RunTags
from adtrack.tracking.training_curves import epochs_to
from adtrack.tracking.weights import find_trunk
from adtrack.tracking.workers import Worker
from adtrack.troubles import trouble
from adtrack.tuning.ladder import LADDER, image_values, ladder_setting, paired, place_on_ladder
from adtrack.tuning.pruning import Rung
from adtrack.tuning.spec import Objective

GiveUp = Callable[[Rung], bool]  # whether a trial ends at this rung, because it is not worth to go on


class UndefinedObjectiveError(Exception):
    """A trial's objective is NaN. It would be so again, so the cell has failed and is not tried once more."""


class GivenUpError(Exception):
    """Other processes gave the trial up and queued it again, because it was silent for too long (a machine slept?)."""


# A trial that ends with one of these has failed by itself: the study goes on, and the cell is not tried again.
FAILED_BY_ITSELF = (MemoryError, torch.OutOfMemoryError, UndefinedObjectiveError)


@dataclass(frozen=True)
class TrialJob:
    """All that a trial needs to know, as plain data.

    ``spec`` describes the detector of the trial's cell. ``ladder`` are the specifications that the trial climbs, the
    last of which is that of its cell. ``pixels`` says whether every patch is scored, for metrics of pixels; otherwise
    the trial has those of images only, until the study's end. ``inputs`` are those that any cell of the study asks for:
    the backbone is opened for all of them, so trials share its outputs. ``searched`` are the keys of the settings that
    the study varies. ``parent`` is the id of the study's run. ``max_bank_mb`` is the limit on the model's size in MB, 0
    if there is none.
    """

    number: int
    spec: BuildSpec
    ladder: tuple[DetectorSpec, ...]
    pixels: bool
    inputs: tuple[str, ...]
    searched: tuple[str, ...]
    goal: Objective
    max_bank_mb: float
    tags: RunTags
    parent: str
    device: str


@dataclass(frozen=True)
class Outcome:
    """What a trial has found: the ``values`` that the study maximises, and by how many MB the model is too large.

    ``reached`` is the specification of the model, and ``pruned`` says that it is smaller than that of the trial's cell,
    because the trial was given up. ``error`` says why a trial
    has failed by itself; it has no values then.
    """

    values: tuple[float, ...] = ()
    over: float = 0.0
    reached: DetectorSpec | None = None
    pruned: bool = False
    error: str = ""
    run_id: str = ""


def run_trial(
    job: TrialJob,
    worker: Worker,
    bench: Workbench | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
    prunes: GiveUp = lambda rung: False,
) -> Outcome:
    """Build, measure and log the detector of one trial, on a run of its own that is ``worker``'s.

    Without a ``bench`` the class and its backbone are opened for this trial. ``prunes`` is told every rung, and what it
    says of the last one makes no difference. ``is_wanted`` is asked before the run ends: whether the study still waits
    for this trial. GivenUpError: it does not.
    """
    if bench is None:
        bench = Workbench.open(
            job.spec.data, job.spec.image, job.spec.backbone, job.inputs, job.device, load=find_trunk
        )
    parent = Run(job.parent, run_experiment(job.parent), worker)
    extra = {ROLE: "trial", TRIAL: str(job.number), SEARCHED: ",".join(job.searched)}
    run_id = ""
    try:
        with tracked_run(worker, job.tags, name=_name(job), parent=parent, extra=extra) as run:
            run_id = run.run_id
            outcome = _work(job, run, bench, prunes)
            if not is_wanted():
                raise GivenUpError
            return outcome
    except FAILED_BY_ITSELF as error:
        if trouble(error):
            raise
        return Outcome(error=error_text(error), run_id=run_id)


def error_text(error: Exception) -> str:
    """An error as a trial keeps it."""
    return f"{type(error).__name__}: {error}"[:500]


def _name(job: TrialJob) -> str:
    return f"{job.number}: {job.spec.detector.title}"


def _work(job: TrialJob, run: Run, bench: Workbench, prunes: GiveUp) -> Outcome:
    fitted, scored = _climb(job, run, bench, prunes)
    built = complete(
        bench,
        fitted,
        scored,
        VAL_SETS,
        threshold=job.spec.threshold,
        facts={"trained_on": "train_clean", "trunk_run": job.parent},
        pixels=job.pixels,
        timings=1,  # the best model of the study is timed anew, when no trial shares the machine
    )
    uri = log_built(run, bench, built, with_trunk=False)
    over = built.costs["bank_mb"] - job.max_bank_mb if job.max_bank_mb else 0.0
    pruned = fitted.detector.spec != job.ladder[-1]
    run.set_tags({MODEL: uri, FEASIBLE: str(over <= 0).lower(), **(_on_the_way_to(job.ladder[-1]) if pruned else {})})
    metrics = _metrics(built)
    values = _defined(job, job.goal.values(metrics))
    run.log_metrics({"objective": job.goal.value(metrics)})
    return Outcome(values, over, fitted.detector.spec, pruned, run_id=run.run_id)


def _climb(job: TrialJob, run: Run, bench: Workbench, prunes: GiveUp) -> tuple[TimedFit, dict[str, ScoredSet]]:
    """The detector at which the trial ends, and how it has scored Val: its own, or that of the rung that it gives up
    at."""
    for place, fitted in enumerate(climb(bench, job.ladder, told=epochs_to(run)), start=1):
        scored = {name: score_set(bench, fitted.detector, name, patches=job.pixels) for name in VAL_SETS}
        if job.goal.metric in PIXEL_METRICS or not detector_class(job.spec.detector.method).ladder:
            break  # there is one detector, and nothing on the way to it
        values = _defined(job, image_values(scored, job.goal, job.spec.threshold))
        rung = Rung(place, fitted.detector.rows, sum(values) / len(values), paired(scored, job.goal))
        run.log_metrics({LADDER: rung.value}, step=rung.rows)
        if prunes(rung):
            break
    return fitted, scored


def _defined(job: TrialJob, values: tuple[float, ...]) -> tuple[float, ...]:
    if any(map(math.isnan, values)):
        raise UndefinedObjectiveError(f"the {job.goal.words} is undefined (NaN)")
    return values


def _on_the_way_to(spec: DetectorSpec) -> dict[str, str]:
    """What the run of a pruned trial says of the detector that it has not reached."""
    aim = place_on_ladder(spec)
    words = f"Pruned on its way to {ladder_setting(spec).label} {aim}: the study has better models."
    return {PRUNED: aim, NOTE: words}


def _metrics(built: BuiltModel) -> dict[str, float]:
    return {f"{found.name}/{key}": value for found in built.evaluations for key, value in found.metrics.items()}
