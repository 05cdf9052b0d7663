"""Trials as the tracking store remembers them."""

import pytest
from mlflow import MlflowClient

from adtrack.tracking.trials import adopt_trials, joined_run, latest_studies, study_parent, study_trials


def make_run(role: str, study: str, class_name: str = "part", status: str = "FINISHED", **tags: str) -> str:
    client = MlflowClient()
    tags = {"adtrack.role": role, "adtrack.study": study, "adtrack.class": class_name} | {
        f"adtrack.{name}": value for name, value in tags.items()
    }
    tags["adtrack.split_digest"] = "0123"
    experiment = client.get_experiment_by_name("adtrack").experiment_id
    run_id = client.create_run(experiment, tags=tags).info.run_id
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    return run_id


def tag(run_id: str, name: str) -> str | None:
    return MlflowClient().get_run(run_id).data.tags.get(name)


def test_finished_trials_come_by_number(study):
    records = study_trials(study.name)
    assert [record.number for record in records] == [0, 1, 2]
    assert [record.run_id for record in records] == list(study.children)
    for record in records:
        run = MlflowClient().get_run(record.run_id)
        assert (record.class_name, record.study) == ("part", study.name)
        assert record.split_digest == run.data.tags["adtrack.split_digest"]
        assert record.params == run.data.params and record.metrics == run.data.metrics
        assert record.feasible
    assert study_parent(study.name) == study.parent
    assert latest_studies("part") == latest_studies(None) == [study.name]


def test_only_finished_trials_of_the_study_count(opened_store):
    make_run("trial", "a", trial="10", feasible="false")
    make_run("trial", "a", trial="9")
    for status in ("FAILED", "KILLED", "RUNNING"):
        make_run("trial", "a", status=status, trial="1")
    make_run("trial", "b", trial="2")
    make_run("study", "a")
    assert [(record.number, record.feasible) for record in study_trials("a")] == [(9, True), (10, False)]


def test_a_new_parent_adopts_the_trials_of_earlier_ones(opened_store):
    first = make_run("study", "a")
    trial = make_run("trial", "a", trial="0")
    MlflowClient().set_tag(trial, "mlflow.parentRunId", first)
    stranger = make_run("trial", "b", trial="0")
    second = make_run("study", "a")
    adopt_trials("a", second)
    assert tag(trial, "mlflow.parentRunId") == second and tag(stranger, "mlflow.parentRunId") is None
    assert tag(first, "adtrack.role") == "continued study" and tag(first, "adtrack.continued_in") == second
    assert tag(second, "adtrack.role") == "study"
    assert study_parent("a") == second


def test_the_newest_study_of_each_class(opened_store):
    for study, class_name in (("old", "part"), ("screws", "screw"), ("new", "part")):
        make_run("study", study, class_name)
    assert latest_studies("part") == ["new"] and latest_studies("screw") == ["screws"]
    assert latest_studies(None) == ["new", "screws"]
    assert latest_studies("nut") == [] and study_parent("none such") is None


def test_the_run_of_mlflow_run_is_in_its_variable(monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    assert joined_run() is None
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    assert joined_run() == "0123"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_RUN_ID", "")
        assert joined_run() is None
