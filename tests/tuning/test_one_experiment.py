"""A study stays in one experiment, whoever goes on with it: adtrack tune, or MLflow's project runner."""

import contextlib
import sqlite3

import pytest
from mlflow import MlflowClient

from adtrack.tracking.store import open_store, search_runs
from adtrack.tracking.trials import adopt_trials


def runs(role: str) -> list:
    return [run for run in search_runs("") if run.data.tags["adtrack.role"] == role]


def statuses() -> set[str]:
    return {run.info.status for run in search_runs("")}


def experiments(role: str) -> set[str]:
    return {MlflowClient().get_experiment(run.info.experiment_id).name for run in runs(role)}


def as_mlflow_run_does(experiment: str) -> dict[str, str]:
    """The variables that ``mlflow run`` sets for a run in that experiment, with a parameter in its own words."""
    made = MlflowClient().create_run(experiment).info.run_id
    MlflowClient().log_param(made, "seed", "42.0")
    return {"MLFLOW_RUN_ID": made, "MLFLOW_EXPERIMENT_ID": experiment}


def test_tune_and_mlflow_run_go_on_with_one_study_in_one_experiment(workplace, adtrack, part, space):
    open_store()
    line = MlflowClient().create_experiment("line 7")
    calls = [as_mlflow_run_does("0"), {}, as_mlflow_run_does(line)]
    for trials, variables in enumerate(calls, start=1):
        done = adtrack("tune", *part, *space, "--sampler", "grid", "--trials", trials, **variables)
        assert done.code == 0, done.err
    assert "goes on in experiment adtrack, where its trials are." in done.out
    (parent,) = runs("study")
    children = runs("trial")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id} and len(children) == 3
    assert experiments("study") == experiments("trial") == {"adtrack"} and statuses() == {"FINISHED"}
    pointers = runs("pointer")
    assert [run.info.run_id for run in pointers] == [call["MLFLOW_RUN_ID"] for call in calls if call]
    assert {run.data.tags["adtrack.logged_in"] for run in pointers} == {parent.info.run_id}
    assert {run.data.params["seed"] for run in pointers} == {"42.0"} and parent.data.params["seed"] == "42"


def test_a_study_that_begins_in_an_experiment_of_its_own_stays_there(workplace, adtrack, part, space):
    open_store()
    variables = as_mlflow_run_does(MlflowClient().create_experiment("line 7"))
    command = ("tune", *part, *space, "--sampler", "grid")
    assert adtrack(*command, "--trials", 1, **variables).code == 0
    done = adtrack(*command, "--trials", 2)
    assert done.code == 0 and "goes on in experiment line 7, where its trials are." in done.out
    (parent,) = runs("study")
    assert parent.info.run_id == variables["MLFLOW_RUN_ID"] and parent.data.params["seed"] == "42.0"
    assert len(runs("trial")) == 2 and experiments("trial") == {"line 7"} and runs("pointer") == []


@pytest.mark.parametrize("begun", ["in Default", "in both"])
def test_a_study_that_an_earlier_version_began_under_mlflow_run_goes_on(own_study, adtrack, part, space, begun):
    client = MlflowClient()
    if begun == "in Default":  # parent and trials alike
        with contextlib.closing(sqlite3.connect(own_study.folder / "mlflow.db")) as database, database:
            database.execute("UPDATE runs SET experiment_id = 0")
    else:  # a newer parent that took over the trials of the other experiment
        tags = client.get_run(own_study.parent).data.tags
        newer = client.create_run("0", tags={key: tags[key] for key in tags if key.startswith("adtrack.")}).info.run_id
        adopt_trials(own_study.name, newer)
        client.set_terminated(newer)
    done = adtrack("tune", *part, *space, "--trials", 4, **as_mlflow_run_does("0"))
    assert done.code == 0, done.err
    home = "Default" if begun == "in Default" else "adtrack"
    assert ("goes on in experiment Default" in done.out) == (home == "Default")
    (parent,) = runs("study")
    assert parent.info.run_id == own_study.parent and "adtrack.continued_in" not in parent.data.tags
    assert experiments("trial") == {home} and len(runs("trial")) == 4 and statuses() == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs("trial")} == {own_study.parent}


def test_a_study_whose_experiment_was_deleted_says_how_to_get_it_back(own_study, adtrack, part, space):
    client = MlflowClient()
    number = client.get_run(own_study.parent).info.experiment_id
    client.delete_experiment(number)
    command = ("tune", *part, *space, "--trials", 3)
    refused = adtrack(*command, MLFLOW_EXPERIMENT_NAME="line 8")
    assert refused.code == 2 and f"the experiment of study {own_study.name} must not be deleted" in refused.err
    assert f"mlflow experiments restore --experiment-id {number}; or choose another --study." in refused.err
    assert search_runs("") == []
    told = adtrack("doctor")
    assert told.code == 1 and "experiment for runs must not be deleted" in " ".join(told.out.split())
    assert "backup" not in told.out and "1 broken" in told.out  # the registered bank is as it was
    client.restore_experiment(number)
    assert adtrack(*command).code == 0 and statuses() == {"FINISHED"}
