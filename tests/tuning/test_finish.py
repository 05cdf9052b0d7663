"""The end of a study: processes that die in it leave neither two versions nor two models nor a trial that is lost."""

import json
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from mlflow.entities import RunStatus

from adtrack.tracking.run_contents import run_file
from adtrack.tracking.store import search_runs
from adtrack.tracking.tags import WORKER
from adtrack.tuning import finish
from adtrack.tuning.study import best_of

NAME = "adtrack-part"
KILLED = """
import os, signal, sys
from adtrack.tracking import log_evaluation
from adtrack.tuning import finish

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

register = finish.register
{where}
from adtrack.cli import main
sys.argv = ["adtrack", *sys.argv[1:]]
main()
"""
WHERE = (
    "log_evaluation._show_tables = kill",  # the whole model and what Test says of it are logged
    "finish.register = lambda *arguments: (register(*arguments), kill())",  # the run does not know of its version
)


@pytest.fixture
def command(own_study, part, space) -> tuple:
    """The study's own command, after its version has been taken back as if it had never been registered."""
    MlflowClient().delete_registered_model(NAME)
    MlflowClient().delete_tag(own_study.best, "adtrack.registered")
    return ("tune", *part, *space, "--trials", 3)


def whole_models(run_id: str) -> list:
    client = MlflowClient()
    models = client.search_logged_models([client.get_run(run_id).info.experiment_id], f"source_run_id = '{run_id}'")
    return [model for model in models if model.name.endswith(", with its network")]


@pytest.mark.slow
def test_whenever_a_process_is_killed_the_best_bank_is_registered_once(own_study, command, adtrack, tiny_splits):
    (former,) = whole_models(own_study.best)
    for where in WHERE:
        told = [sys.executable, "-c", KILLED.format(where=where), *map(str, command)]
        killed = subprocess.run(told, capture_output=True, text=True)
        assert killed.returncode == -9, killed.stderr
    done = adtrack(*command)
    assert done.code == 0 and "Registered as adtrack-part version 1, champion." in done.out, done.err
    (version,) = MlflowClient().search_model_versions(f"name = '{NAME}'")
    (model,) = (model for model in whole_models(own_study.best) if model.model_id != former.model_id)
    assert version.source == model.model_uri and version.run_id == version.tags["adtrack.run_id"] == own_study.best
    aliases = MlflowClient().get_registered_model(NAME).aliases
    assert {alias: str(number) for alias, number in aliases.items()} == {"champion": "1", "candidate": "1"}
    assert MlflowClient().get_run(own_study.best).data.tags["adtrack.registered"] == f"{NAME}/1"
    assert {run.info.status for run in search_runs("")} == {"FINISHED"}
    table = json.loads(run_file(own_study.best, "scores/test_clean.json").read_text())
    assert len(table["data"]) == len(tiny_splits.test.records)


def test_a_trial_that_another_machine_left_open_still_counts(own_study, command, adtrack):
    """The machine that tested it has vanished: nobody here can tell whether that process lives."""
    client = MlflowClient()
    client.update_run(own_study.best, RunStatus.to_string(RunStatus.RUNNING))
    client.set_tag(own_study.best, WORKER, "another machine|/its/lock")
    done = adtrack(*command)
    assert done.code == 0, done.err
    assert client.get_run(own_study.best).info.status == "FINISHED"
    assert client.get_run(own_study.parent).data.tags["adtrack.best_run"] == own_study.best
    assert client.get_model_version_by_alias(NAME, "champion").run_id == own_study.best


def test_a_version_that_was_deleted_is_made_anew_with_a_model_of_its_own(own_study, command, adtrack):
    (former,) = whole_models(own_study.best)
    assert adtrack(*command).code == 0
    (version,) = MlflowClient().search_model_versions(f"name = '{NAME}'")
    assert version.source != former.model_uri and len(whole_models(own_study.best)) == 2


def test_a_better_trial_that_another_call_finishes_meanwhile_is_for_that_call(own_study, command, adtrack, monkeypatch):
    """It has no Test metrics yet: the call that ends first says what it has tested."""
    client, real = MlflowClient(), finish.register

    def register(*arguments):
        other = next(run for run in search_runs("") if "adtrack.trial" in run.data.tags and run.info.run_id != best)
        client.log_metric(other.info.run_id, "objective", 2.0)
        return real(*arguments)

    best = own_study.best
    monkeypatch.setattr(finish, "register", register)
    done = adtrack(*command)
    assert done.code == 0, done.err
    assert client.get_model_version_by_alias(NAME, "champion").run_id == best
    assert client.get_run(own_study.parent).data.tags["adtrack.best_run"] == best
    assert best_of(client.get_run(best).data.tags["adtrack.study"]).run_id != best
