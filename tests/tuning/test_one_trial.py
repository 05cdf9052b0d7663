"""A trial is a plain function of plain data: another process that is given the job finds the same to the bit."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest
from mlflow import MlflowClient

from adtrack.config import BackboneSpec, BuildSpec, DataSpec, ImageSpec
from adtrack.detectors.patchcore import PatchCoreSpec
from adtrack.tracking.experiment import chosen_experiment
from adtrack.tracking.run_contents import run_metrics, run_tags
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.tuning import one_trial
from adtrack.tuning.one_trial import GivenUpError, Outcome, TrialJob, run_trial
from adtrack.tuning.spec import Objective

TAGS = RunTags("part", "patchcore", "a study", "0" * 64)


def elsewhere(job: TrialJob) -> Outcome:
    """What another process makes of a job."""
    open_store()
    with working() as worker:
        return run_trial(job, worker)


@pytest.fixture
def job(opened_store, tiny_data):
    """A job below a study's run that has ended."""
    with working() as worker, tracked_run(worker, TAGS, extra={ROLE: "study"}) as run:
        parent = run.run_id
    spec = BuildSpec(
        DataSpec("part", str(tiny_data)),
        PatchCoreSpec(("layer3",), 1, 0.1),
        ImageSpec(64, 0),
        BackboneSpec("resnet18", "random"),
    )
    goal = Objective("image_auroc", "pareto")
    return TrialJob(3, spec, ("layer2", "layer3"), ("patch_size", "layers"), goal, 1e-3, TAGS, parent, "cpu")


def status(run_id: str) -> str:
    return MlflowClient().get_run(run_id).info.status


def test_another_process_finds_the_same(job, own_cache):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(elsewhere, job).result()
    with working() as worker:
        here = run_trial(job, worker)
    assert here.values == there.values and len(here.values) == 2 and here.over == there.over > 0
    assert here.run_id != there.run_id and here.error == there.error == ""
    for outcome in (here, there):
        tags = run_tags(outcome.run_id)
        assert status(outcome.run_id) == "FINISHED" and tags["mlflow.parentRunId"] == job.parent
        assert (tags["adtrack.trial"], tags["adtrack.searched"], tags["adtrack.feasible"]) == (
            *("3", "patch_size,layers"),
            "false",
        )
        assert run_metrics(outcome.run_id)["objective"] == sum(outcome.values) / 2
    assert MlflowClient().get_run(here.run_id).info.experiment_id == chosen_experiment()


@pytest.mark.parametrize("error", [MemoryError("too large"), one_trial.UndefinedObjectiveError("NaN")])
def test_a_trial_that_fails_by_itself_has_an_outcome(job, monkeypatch, error):
    def build(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(one_trial, "build", build)
    with working() as worker:
        found = run_trial(job, worker)
    assert found == Outcome(error=f"{type(error).__name__}: {error}", run_id=found.run_id)
    assert status(found.run_id) == "FAILED"


def test_a_trial_that_nobody_waits_for_does_not_count(job):
    with working() as worker, pytest.raises(GivenUpError):
        run_trial(job, worker, is_wanted=lambda: False)
    runs = MlflowClient().search_runs([chosen_experiment()], "tags.`adtrack.role` = 'trial'")
    assert [run.info.status for run in runs] == ["FAILED"]
