"""What a study's page in MLflow tells while its trials run."""

import re

from mlflow import MlflowClient

from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import RunTags
from adtrack.tracking.trials import study_trials
from adtrack.tracking.workers import working
from adtrack.tuning.ranking import objective
from adtrack.tuning.standing import BEST, show_standing


def test_the_curve_is_the_best_objective_after_each_trial(study):
    curve = [(point.step, point.value) for point in MlflowClient().get_metric_history(study.parent, BEST)]
    found = [objective(trial) for trial in study_trials(study.name)]
    assert curve == [(count, max(found[:count])) for count in (1, 2, 3)]


def test_the_study_does_not_stand_among_its_trials_in_charts(study):
    client = MlflowClient()
    of_trials = {name for run in study.children for name in client.get_run(run).data.metrics}
    assert "objective" in of_trials and not of_trials & set(client.get_run(study.parent).data.metrics)


def test_a_study_is_named_for_people(study):
    run = MlflowClient().get_run(study.parent)
    assert re.fullmatch(r"part resnet18 \d{4}-\d\d-\d\d", run.info.run_name)
    assert run.data.tags["adtrack.study"] == study.name  # what it is found by


def test_a_run_that_takes_over_shows_what_was_found_before(own_study):
    client, trials = MlflowClient(), study_trials(own_study.name)
    tags = RunTags("part", "patchcore", "another study", "0123")
    with working() as worker, tracked_run(worker, tags) as run:
        show_standing(run, 20, "image AUROC on Val-clean", [], 0)
        told = [client.get_run(run.run_id).data.tags["mlflow.note.content"]]
        for left in (100, 80):
            show_standing(run, 20, "image AUROC on Val-clean", trials, left)
        told.append(client.get_run(run.run_id).data.tags["mlflow.note.content"])
        show_standing(run, 3, "image AUROC on Val-clean", trials)  # all are done: its note is not for here
        told.append(client.get_run(run.run_id).data.tags["mlflow.note.content"])
    steps = {point.step for point in client.get_metric_history(run.run_id, BEST)}
    assert steps == {1, 2, 3}
    assert told[0].startswith("**0 of 20 trials are done** (as of ")
    assert told[1].startswith("**3 of 20 trials are done, about 80 s left** (as of ") and told[2] == told[1]
    best = next(trial for trial in trials if trial.run_id == own_study.best)
    assert f"[trial {best.number}: patch size " in told[1] and f"/runs/{best.run_id})" in told[1]
