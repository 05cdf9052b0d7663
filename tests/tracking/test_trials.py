"""Trials as the tracking store remembers them."""

import re
from collections.abc import Callable

import pytest
from mlflow import MlflowClient

from adtrack.tracking import spoilt_tags, trials
from adtrack.tracking.trials import adopt_trials, latest_studies, parent_in, study_home, study_parent, study_trials


def make_run(
    role: str, study: str, class_name: str = "part", status: str = "FINISHED", place: str = "adtrack", **tags: str
) -> str:
    client = MlflowClient()
    tags = {"adtrack.role": role, "adtrack.study": study, "adtrack.class": class_name} | {
        f"adtrack.{name}": value for name, value in tags.items()
    }
    tags["adtrack.split_digest"] = "0123"
    experiment = client.get_experiment_by_name(place).experiment_id
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


def test_a_study_stays_in_the_experiment_of_its_first_trial(opened_store):
    assert study_home("a") is None and parent_in("1", "a") is None
    parents = [make_run("study", "a", place=place) for place in ("Default", "adtrack", "Default")]
    assert study_home("a") is None and parent_in("0", "a") == parents[2] and parent_in("1", "a") == parents[1]
    trial = make_run("trial", "a", status="FAILED", trial="0")
    make_run("trial", "a", place="Default", trial="1")
    make_run("pointer", "a")
    assert study_home("a") == MlflowClient().get_run(trial).info.experiment_id == "1"
    adopt_trials("a", parents[2])  # as an earlier version would have
    assert parent_in("1", "a") == parents[1]


@pytest.fixture
def left_out(capsys) -> Callable[[], list[str]]:
    """The runs that have been named as left out since the last call."""
    spoilt_tags.leave_out.cache_clear()

    def named() -> list[str]:
        return re.findall(r"Run (\w+) is left out: its (.+) has been edited or deleted", capsys.readouterr().err)

    return named


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("adtrack.trial", value) for value in (None, "first", "9" * 5000)),
        *(("adtrack.split_digest", None), ("adtrack.class", "")),
    ],
)
def test_a_trial_whose_tags_are_spoilt_is_left_out_and_named(opened_store, left_out, name, value):
    spoilt, sound = make_run("trial", "a", trial="0"), make_run("trial", "a", trial="1")
    MlflowClient().delete_tag(spoilt, name) if value is None else MlflowClient().set_tag(spoilt, name, value)
    for _ in range(2):
        assert [record.run_id for record in study_trials("a")] == [sound]
    assert left_out() == [(spoilt, name)]


def test_a_trial_that_has_lost_its_study_is_named(opened_store, left_out):
    parent, trial = make_run("study", "a"), make_run("trial", "a", trial="0")
    adopt_trials("a", parent)
    assert len(study_trials("a")) == 1 and left_out() == []
    MlflowClient().delete_tag(trial, "adtrack.study")
    assert study_trials("a") == [] and left_out() == [(trial, "adtrack.study")]


def test_a_trial_that_ends_meanwhile_has_lost_nothing(opened_store, left_out, monkeypatch):
    parent, trial = make_run("study", "a"), make_run("trial", "a", status="RUNNING", trial="0")
    adopt_trials("a", parent)
    search = trials.search_runs

    def search_and_end(condition: str) -> list:
        found = search(condition)
        MlflowClient().set_terminated(trial)  # another process's
        return found

    monkeypatch.setattr(trials, "search_runs", search_and_end)
    assert study_trials("a") == [] and left_out() == []
    assert len(study_trials("a")) == 1


def test_a_study_whose_tags_are_spoilt_is_left_out_and_named(opened_store, left_out):
    spoilt = make_run("study", "a", "one")
    make_run("study", "b", "two")
    MlflowClient().delete_tag(spoilt, "adtrack.class")
    assert latest_studies(None) == ["b"] == latest_studies("two") and latest_studies("one") == []
    assert left_out() == [(spoilt, "adtrack.class")]


def test_verbs_go_on_without_the_runs_whose_tags_are_spoilt(own_study, adtrack, part, space, tmp_path):
    """As someone may leave them who tidies up in the tracking UI."""
    client = MlflowClient()
    worse = [run_id for run_id in own_study.children if run_id != own_study.best]
    client.delete_tag(worse[0], "adtrack.trial")
    client.delete_tag(worse[1], "adtrack.model")
    client.set_tag(own_study.best, "adtrack.registered", "adtrack-part/the best")
    for command in (
        ("tune", *part, *space, "--trials", 3),
        ("export", "--class", "part", "--out", tmp_path / "tables"),
        ("doctor",),
        ("promote", "--class", "part", "--device", "cpu"),
    ):
        spoilt_tags.leave_out.cache_clear()
        done = adtrack(*command)
        assert done.code == 0 and "Traceback" not in done.err, done.out + done.err
        assert f"Run {worse[0]} is left out: its adtrack.trial" in done.err or command[0] in ("doctor", "promote")
        assert command[0] != "doctor" or all(re.search(f"{run_id} .*: adtrack", done.out) for run_id in worse)
    assert client.get_run(own_study.best).data.tags["adtrack.registered"] == "adtrack-part/1"
    client.delete_tag(own_study.best, "adtrack.split_digest")
    done = adtrack("compare", own_study.best, worse[1])
    assert done.code == 2 and "has no tag adtrack.split_digest" in done.err
