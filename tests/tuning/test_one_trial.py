"""A trial is a plain function of plain data: another process that is given the job finds the same to the bit."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest
import torch
from mlflow import MlflowClient

from adtrack.config import BackboneSpec, BuildSpec, DataSpec, ImageSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.weights import keep_trunk, load_trunk
from adtrack.tracking.experiment import chosen_experiment
from adtrack.tracking.models import load_model
from adtrack.tracking.run_contents import run_file, run_metrics, run_params, run_tags
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.tuning import one_trial
from adtrack.tuning.one_trial import GivenUpError, Outcome, TrialJob, run_trial
from adtrack.tuning.spec import Objective

LADDER = tuple(PatchCoreSpec(("layer3",), 1, fraction) for fraction in (0.02, 0.05, 0.1))
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
    keep_trunk(load_trunk(spec.backbone, ("layer3",), spec.data.root))  # as a study does for its trials' models
    goal = Objective("image_auroc", "pareto")
    return TrialJob(
        3,
        spec,
        (spec.detector,),
        False,
        ("layer2", "layer3"),
        ("patch_size", "layers"),
        goal,
        1e-3,
        TAGS,
        parent,
        "cpu",
    )


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
    def climb(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(one_trial, "climb", climb)
    with working() as worker:
        found = run_trial(job, worker)
    assert found == Outcome(error=f"{type(error).__name__}: {error}", run_id=found.run_id)
    assert status(found.run_id) == "FAILED"


def test_a_trial_climbs_to_its_own_detector(job):
    climbing, asked = replace(job, ladder=LADDER, goal=Objective("image_auroc")), []
    with working() as worker:
        found = run_trial(climbing, worker, prunes=lambda rung: bool(asked.append(rung)))
        alone = run_trial(replace(climbing, ladder=LADDER[-1:]), worker)
    assert found.values == alone.values and not found.pruned and found.reached == job.spec.detector
    assert [rung.place for rung in asked] == [1, 2, 3] and asked[0].rows < asked[1].rows < asked[2].rows
    curve = MlflowClient().get_metric_history(found.run_id, "ladder/objective")
    assert [(point.step, point.value) for point in curve] == [(rung.rows, rung.value) for rung in asked]
    metrics, model = run_metrics(found.run_id), run_tags(found.run_id)["adtrack.model"]
    assert (curve[2].step, curve[2].value) == (metrics["cost/bank_rows"], metrics["objective"])
    assert "val_clean/image_auroc" in metrics and not any("pixel" in name for name in metrics)
    assert load_model(model, torch.device("cpu")).scorer.detector.spec == job.spec.detector


def test_a_pruned_trial_is_a_run_with_all_that_the_smaller_detector_is(job):
    climbing = replace(job, ladder=LADDER, goal=Objective("image_auroc"))
    with working() as worker:
        found = run_trial(climbing, worker, prunes=lambda rung: rung.place == 2)
        smaller = run_trial(replace(climbing, ladder=LADDER[1:2]), worker)
    assert found.pruned and found.reached == LADDER[1] and found.values == smaller.values
    assert status(found.run_id) == "FINISHED" and run_params(found.run_id)["coreset_fraction"] == "0.05"
    tags = run_tags(found.run_id)
    assert tags["adtrack.pruned"] == "0.1" and "on its way to coreset fraction 0.1" in tags["mlflow.note.content"]
    scorers = [
        load_model(run_tags(one.run_id)["adtrack.model"], torch.device("cpu")).scorer for one in (found, smaller)
    ]
    assert scorers[0].detector.bank.patches.equal(scorers[1].detector.bank.patches)
    assert scorers[0].calibration == scorers[1].calibration
    assert run_file(found.run_id, "heatmaps/val_shift.png").is_file()


def test_a_trial_that_nobody_waits_for_does_not_count(job):
    with working() as worker, pytest.raises(GivenUpError):
        run_trial(job, worker, is_wanted=lambda: False)
    runs = MlflowClient().search_runs([chosen_experiment()], "tags.`adtrack.role` = 'trial'")
    assert [run.info.status for run in runs] == ["FAILED"]
