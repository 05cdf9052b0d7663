"""Which experiment runs go to, and variables of MLflow that are out of date."""

import os

import mlflow
import pytest
from mlflow import MlflowClient

from adtrack.errors import UserError
from adtrack.findings import BROKEN, OK
from adtrack.tracking.experiment import chosen_experiment, experiment_name, joined_run, take_joined_run
from adtrack.tracking.experiment_health import look_at_experiment
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store, reach_store
from adtrack.tracking.tags import RunTags
from adtrack.tracking.workers import working


@pytest.fixture
def client(workplace) -> MlflowClient:
    """Of a store that has MLflow's "Default" only."""
    return MlflowClient(f"sqlite:///{workplace}/mlflow.db")


def place_of_a_new_run() -> str:
    with working() as worker, tracked_run(worker, RunTags("part", "patchcore", "none", "0123")) as run:
        return experiment_name(run.experiment_id)


@pytest.mark.parametrize("name", ["MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"])
def test_an_experiment_that_was_chosen_outside_is_kept(client, monkeypatch, name):
    chosen = client.create_experiment("line 7")
    monkeypatch.setenv(name, chosen if name.endswith("ID") else "line 7")
    open_store()
    assert place_of_a_new_run() == "line 7" and client.get_experiment_by_name("adtrack") is None


def test_an_experiment_that_is_named_first_is_made(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "line 8")
    mlflow.set_tracking_uri(client.tracking_uri)
    assert look_at_experiment().detail == "line 8: made when needed" and client.get_experiment_by_name("line 8") is None
    open_store()
    assert place_of_a_new_run() == "line 8"


@pytest.mark.parametrize("variables", [{}, {"MLFLOW_EXPERIMENT_ID": "0"}, {"MLFLOW_EXPERIMENT_NAME": "Default"}])
def test_mlflows_default_is_nobodys_choice(client, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    open_store()
    assert place_of_a_new_run() == "adtrack" and {name: os.environ[name] for name in variables} == variables
    assert look_at_experiment().level == OK


def test_an_experiment_that_another_machine_makes_at_the_same_moment_is_entered(client, monkeypatch):
    real = MlflowClient.create_experiment

    def beaten(self: MlflowClient, *asked: str | None) -> str:
        real(self, *asked)
        return real(self, *asked)

    monkeypatch.setattr(MlflowClient, "create_experiment", beaten)
    open_store()
    assert place_of_a_new_run() == "adtrack"


def test_an_experiment_is_chosen_without_a_word_to_other_programs(client, monkeypatch):
    open_store()
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ and place_of_a_new_run() == "adtrack"
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ and experiment_name(chosen_experiment()) == "adtrack"


def make_stale(client: MlflowClient, variable: str, how: str) -> str:
    """What a variable held that was right at another time, or in another store."""
    if how == "unknown":
        return "7" if variable.endswith("_ID") and "RUN" not in variable else "0123456789abcdef0123456789abcdef"
    if how == "nonsense":
        return "no such / thing"
    if "RUN" in variable:
        tags = {"adtrack.role": "bank"} if how == "used" else {}
        run_id = client.create_run("0", tags=tags).info.run_id
        if how == "finished":
            client.set_terminated(run_id)
        if how == "deleted":
            client.delete_run(run_id)
        return run_id
    number = client.create_experiment("line 7")
    client.delete_experiment(number)
    return number if variable.endswith("_ID") else "line 7"


@pytest.mark.parametrize(
    ("variable", "how", "said"),
    [
        ("MLFLOW_RUN_ID", "unknown", "a run of this tracking store, but there is no run '0123"),
        ("MLFLOW_RUN_ID", "nonsense", "a run of this tracking store"),
        ("MLFLOW_RUN_ID", "deleted", "a run that is not deleted"),
        ("MLFLOW_RUN_ID", "finished", r"a run that has just begun, but \w+ has ended \(FINISHED\)"),
        ("MLFLOW_RUN_ID", "used", "another command has logged to"),
        (
            "MLFLOW_EXPERIMENT_ID",
            "unknown",
            "an experiment of this tracking store, but there is no experiment '7'",
        ),
        ("MLFLOW_EXPERIMENT_ID", "nonsense", "an experiment of this tracking store"),
        ("MLFLOW_EXPERIMENT_ID", "deleted", "'line 7' is.*mlflow experiments restore --experiment-id 1"),
        ("MLFLOW_EXPERIMENT_NAME", "deleted", "'line 7' is.*mlflow experiments restore --experiment-id 1"),
    ],
)
def test_a_variable_that_is_out_of_date_is_a_sentence(client, monkeypatch, variable, how, said):
    monkeypatch.setenv(variable, make_stale(client, variable, how))
    with pytest.raises(UserError, match=rf"{variable} must .*{said}.*unset {variable}"):
        open_store()
    check = look_at_experiment()
    assert check.level == BROKEN and variable in check.findings[0].what and "nset" in check.findings[0].remedy
    reach_store()
    monkeypatch.delenv(variable)
    open_store()
    assert place_of_a_new_run() == "adtrack"


def test_two_variables_must_mean_the_same(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", client.create_experiment("line 7"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "line 8")
    with pytest.raises(UserError, match="MLFLOW_EXPERIMENT_ID must name the same experiment as MLFLOW_EXPERIMENT_NAME"):
        open_store()


def test_a_deleted_experiment_is_restored_by_mlflow_and_not_by_doctor(client, monkeypatch, adtrack):
    open_store()
    number = client.get_experiment_by_name("adtrack").experiment_id
    client.delete_experiment(number)
    with pytest.raises(UserError, match=f"'adtrack' is. .*mlflow experiments restore --experiment-id {number};"):
        open_store()
    done = adtrack("doctor", "--fix")
    assert done.code == 1 and f"mlflow experiments restore --experiment-id {number}" in " ".join(done.out.split())
    client.restore_experiment(number)
    open_store()


def test_the_run_of_mlflow_run_is_in_its_variable(monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    assert joined_run() is None
    monkeypatch.setenv("MLFLOW_RUN_ID", "")
    assert joined_run() is None
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    assert joined_run() == take_joined_run() == "0123" and joined_run() is None
