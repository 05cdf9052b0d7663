"""One trial: from specifications to an outcome, as any process or machine can run it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from adtrack.config import BuildSpec
from adtrack.evaluation.building import BuiltModel, build
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.log_evaluation import log_built
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_experiment
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import FEASIBLE, MODEL, ROLE, SEARCHED, TRIAL, RunTags
from adtrack.tracking.workers import Worker
from adtrack.troubles import trouble
from adtrack.tuning.spec import Objective


class UndefinedObjectiveError(Exception):
    """A trial's objective is NaN. It would be so again, so the cell has failed and is not tried once more."""


class GivenUpError(Exception):
    """Other processes gave the trial up and queued it again, because it was silent for too long (a machine slept?)."""


# A trial that ends with one of these has failed by itself: the study goes on, and the cell is not tried again.
FAILED_BY_ITSELF = (MemoryError, torch.OutOfMemoryError, UndefinedObjectiveError)


@dataclass(frozen=True)
class TrialJob:
    """All that a trial needs to know, as plain data.

    ``spec`` describes the detector of the trial's cell. ``inputs`` are those that any cell of the study asks for: the
    backbone is opened for all of them, so trials share its outputs. ``searched`` are the keys of the settings that the
    study varies. ``parent`` is the id of the study's run. ``max_bank_mb`` is the limit on the model's size in MB, 0 if
    there is none.
    """

    number: int
    spec: BuildSpec
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

    ``error`` says why a trial has failed by itself; it has no values then.
    """

    values: tuple[float, ...] = ()
    over: float = 0.0
    error: str = ""
    run_id: str = ""


def run_trial(
    job: TrialJob, worker: Worker, bench: Workbench | None = None, is_wanted: Callable[[], bool] = lambda: True
) -> Outcome:
    """Build, measure and log the detector of one trial, on a run of its own that is ``worker``'s.

    Without a ``bench`` the class and its backbone are opened for this trial. ``is_wanted`` is asked before the run
    ends: whether the study still waits for this trial. GivenUpError: it does not.
    """
    if bench is None:
        bench = Workbench.open(job.spec.data, job.spec.image, job.spec.backbone, job.inputs, job.device)
    parent = Run(job.parent, run_experiment(job.parent), worker)
    extra = {ROLE: "trial", TRIAL: str(job.number), SEARCHED: ",".join(job.searched)}
    run_id = ""
    try:
        with tracked_run(worker, job.tags, name=_name(job), parent=parent, extra=extra) as run:
            run_id = run.run_id
            outcome = _work(job, run, bench)
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


def _work(job: TrialJob, run: Run, bench: Workbench) -> Outcome:
    facts = {"trunk_run": job.parent}
    built = build(bench, job.spec.detector, good_quantile=job.spec.good_quantile, facts=facts)
    uri = log_built(run, bench, built, with_trunk=False)
    over = built.costs["bank_mb"] - job.max_bank_mb if job.max_bank_mb else 0.0
    run.set_tags({MODEL: uri, FEASIBLE: str(over <= 0).lower()})
    metrics = _metrics(built)
    values = job.goal.values(metrics)
    if any(map(math.isnan, values)):
        raise UndefinedObjectiveError(f"the {job.goal.words} is undefined (NaN)")
    run.log_metrics({"objective": job.goal.value(metrics)})
    return Outcome(values, over, run_id=run.run_id)


def _metrics(built: BuiltModel) -> dict[str, float]:
    return {f"{found.name}/{key}": value for found in built.evaluations for key, value in found.metrics.items()}
