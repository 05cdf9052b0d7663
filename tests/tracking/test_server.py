"""A study on an MLflow server: PostgreSQL below, artifacts through the server, basic auth in front."""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pytest
import torch
from mlflow import MlflowClient
from optuna.trial import TrialState
from sqlalchemy.pool import NullPool

from adtrack.tracking.models import load_model
from adtrack.tracking.store import open_store, search_runs
from adtrack.tracking.trials import study_trials

pytestmark = pytest.mark.slow
TRIALS = 4


@dataclass(frozen=True)
class Server:
    """An MLflow server, and a second database of its PostgreSQL for Optuna, both still empty."""

    uri: str
    password: str
    storage: str
    backend: str
    kill: Callable[[], None]

    @property
    def variables(self) -> dict[str, str]:
        """What a user of the server exports."""
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.password}
        return {"MLFLOW_TRACKING_URI": self.uri, "ADTRACK_STORAGE": self.storage, **login}


@pytest.fixture(scope="module")
def server(postgres, free_port, tmp_path_factory) -> Iterator[Server]:
    """``mlflow server`` as the README starts it."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    databases = (postgres.new_database() for _ in "12")
    found = Server(f"http://127.0.0.1:{port}", secrets.token_urlsafe(12), *databases, lambda: end(signal.SIGKILL))
    backend = ("--backend-store-uri", found.backend, "--artifacts-destination", folder / "artifacts")
    place = ("--host", "127.0.0.1", "--port", port, "--workers", 1)
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", *backend, *place]
    config = folder / "auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///auth.db\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\nauth_cache_ttl_seconds = 60\n"
    )
    told = {"MLFLOW_AUTH_CONFIG_PATH": config, "MLFLOW_AUTH_ADMIN_PASSWORD": found.password}
    told |= {"MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def end(how: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        process.wait(30)

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, **{name: str(value) for name, value in told.items()}},
            stdout=log,
            stderr=log,
            start_new_session=True,  # its workers are stopped with it
        )
        try:
            _wait_until_it_answers(found.uri, process, folder / "log")
            yield found
        finally:
            end(signal.SIGTERM)


def _wait_until_it_answers(uri: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"mlflow server did not start: {log.read_text()}")


def start(server: Server, cache: Path, *arguments: object, **variables: str) -> subprocess.Popen:
    """``adtrack tune`` as on a machine of its own: only server and database are shared."""
    command = [sys.executable, "-m", "adtrack", "tune", *map(str, arguments)]
    told = {**os.environ, **server.variables, "ADTRACK_CACHE": str(cache), **variables}
    return subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class SharedStudy:
    """What four processes did that were started at once: their exit codes and what they said."""

    codes: list[int]
    said: list[tuple[str, str]]
    command: tuple


@pytest.fixture(scope="module")
def shared_study(server, part, space, tmp_path_factory) -> SharedStudy:
    """Four processes, each with a cache of its own, on databases that hold nothing yet."""
    command = (*part, *space, "--trials", TRIALS)
    started = [start(server, tmp_path_factory.mktemp("machine"), *command) for _ in range(4)]
    try:
        said = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    return SharedStudy([process.returncode for process in started], said, command)


@pytest.fixture
def on_server(server, shared_study, workplace, monkeypatch) -> Server:
    """The server's store, opened after the shared study."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    open_store()
    return server


def optuna_trials(server: Server) -> list:
    # Without a pool: one for each look would keep its connection, and a server has a hundred of them.
    storage = optuna.storages.RDBStorage(server.storage, engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name=None, storage=storage).trials


def cell(trial) -> tuple:
    return tuple(trial.params.values())


def by_role(role: str) -> list:
    return [run for run in search_runs("") if run.data.tags["adtrack.role"] == role]


def test_four_processes_finish_exactly_the_trials_asked_for(shared_study, on_server):
    assert shared_study.codes == [0] * 4, shared_study.said
    trials = optuna_trials(on_server)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * TRIALS
    assert len({cell(trial) for trial in trials}) == TRIALS
    (parent,) = by_role("study")
    children = by_role("trial")
    assert sorted(int(run.data.tags["adtrack.trial"]) for run in children) == list(range(TRIALS))
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert {run.info.experiment_id for run in (parent, *children)} == {
        MlflowClient().get_experiment_by_name("adtrack").experiment_id
    }


def test_they_register_the_best_bank_once_and_say_the_same(shared_study, on_server):
    (version,) = MlflowClient().search_model_versions("name = 'adtrack-part'")
    assert MlflowClient().get_model_version_by_alias("adtrack-part", "champion").version == version.version
    found = {re.search(f"Best of {TRIALS} trials: (.*)", out)[1] for out, _ in shared_study.said}
    assert len(found) == 1
    assert all("Registered as adtrack-part version 1, champion." in out for out, _ in shared_study.said)
    assert [err for _, err in shared_study.said] == [""] * 4


def test_what_they_point_to_is_a_page_of_the_server(shared_study, on_server):
    (parent,) = by_role("study")
    page = f"{on_server.uri}/#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}"
    for out, _ in shared_study.said:
        assert f"Report: {page}/artifacts/report.html\nTables: {page}/artifacts/tables/best_trials.html\n" in out
        assert f"  {page}   compare the trials" in out and "mlflow-artifacts:" not in out and "mlflow ui" not in out


def test_no_password_is_shown_or_kept(shared_study, on_server, postgres):
    kept = [[run.info.run_name, run.data.params, run.data.tags] for run in search_runs("")]
    for secret in (on_server.password, postgres.password):
        assert secret not in str(kept) and secret not in str(shared_study.said)


def test_models_come_through_the_server_with_the_trunk_from_the_parent(on_server):
    device = torch.device("cpu")
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for run in by_role("trial"):
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    best = by_role("study")[0].data.tags["adtrack.best_run"]
    of_trial = load_model(MlflowClient().get_run(best).data.tags["adtrack.model"], device).scorer
    champion = load_model("models:/adtrack-part@champion", device, whole=True).scorer  # with its code, as to serve it
    assert of_trial.judge(picture).score == champion.judge(picture).score > 0
    assert mlflow.artifacts.load_text(f"runs:/{best}/scores/test_shift.csv").startswith("path,kind,label,score")


def test_the_study_goes_on_and_a_killed_processes_trial_is_not_lost(shared_study, on_server, postgres, tmp_path):
    storage = on_server.storage.replace(f":{postgres.password}", "")
    command = (*shared_study.command, "--trials", TRIALS + 2, "--storage", storage)
    apart = {"PGPASSWORD": postgres.password}
    killed, other = (start(on_server, tmp_path / name, *command, **apart) for name in ("killed", "other"))
    end = time.monotonic() + 120
    while not (begun := [t for t in optuna_trials(on_server) if t.state == TrialState.RUNNING and t.params]):
        assert time.monotonic() < end and None in (killed.poll(), other.poll())
        time.sleep(0.02)
    if str(tmp_path / "other") in begun[0].user_attrs["worker"]:
        killed, other = other, killed
    killed.kill()
    killed.communicate()
    out, err = other.communicate()
    assert other.returncode == 0, err
    assert f"Best of {TRIALS + 2} trials" in out and err == ""
    trials = optuna_trials(on_server)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    (lost,) = (trial for trial in trials if trial.state != TrialState.COMPLETE)
    assert lost.state == TrialState.FAIL and lost.number == begun[0].number
    (retry,) = (trial for trial in complete if trial.user_attrs.get("retry_of") == lost.number)
    assert retry.params.items() >= lost.params.items()  # it may have been killed before it had asked for all of them
    assert len(complete) == len({cell(trial) for trial in complete}) == TRIALS + 2
    assert len(study_trials(by_role("study")[0].data.tags["adtrack.study"])) == TRIALS + 2
    assert "RUNNING" not in {run.info.status for run in search_runs("")}


def test_a_wrong_password_is_a_sentence_without_it(on_server, adtrack, shared_study):
    wrong = {**on_server.variables, "MLFLOW_TRACKING_PASSWORD": "not-this-one"}
    refused = adtrack("tune", *shared_study.command, **wrong)
    assert refused.code == 2 and "tracking store must be reachable and writable" in refused.err
    assert "MLFLOW_TRACKING_PASSWORD" in refused.err and "not-this-one" not in refused.err


def test_mlflows_own_database_is_not_taken_for_the_study(on_server, adtrack, shared_study, postgres):
    refused = adtrack("tune", *shared_study.command, "--storage", on_server.backend, **on_server.variables)
    assert refused.code == 2 and "holds another program's tables" in refused.err
    assert postgres.password not in refused.err


def test_a_study_on_the_server_is_not_mixed_with_one_of_this_machine(on_server, adtrack, shared_study):
    refused = adtrack("tune", *shared_study.command, "--storage", "sqlite:///optuna.db", **on_server.variables)
    assert "on this machine alone; --storage postgresql://… lets other machines take part." in refused.out
    known = on_server.storage.rpartition("@")[2]
    assert refused.code == 2 and f"Optuna storage that it began with, postgresql://{known}," in refused.err


def test_a_server_that_goes_for_good_leaves_a_sentence_and_a_study_that_can_go_on(server, shared_study, tmp_path):
    command = (*shared_study.command, "--trials", TRIALS + 4)
    known = len(optuna_trials(server))
    process = start(server, tmp_path, *command, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    while len(optuna_trials(server)) == known:  # until it is at work on a trial
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    server.kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in said, said
    assert "Error: the tracking server must stay reachable, but it no longer is" in said
    assert "the same command goes on from there" in said and server.password not in said
    left = optuna_trials(server)[known:]
    assert [(trial.state, "error" in trial.user_attrs) for trial in left] == [(TrialState.FAIL, False)]
