"""Optuna's storage: opened and checked, and put in order after a crash."""

import contextlib
import math
import shutil
import socket
import sqlite3
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.exceptions import StorageInternalError
from optuna.pruners import NopPruner
from optuna.trial import TrialState, create_trial

from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.tracking.tags import STUDY, TRIAL
from adtrack.tracking.workers import Worker
from adtrack.troubles import TroubleError
from adtrack.tuning.sampling import WithoutRepeats
from adtrack.tuning.space import Space
from adtrack.tuning.storage import RecoveredTrial, default_storage, open_study, put_in_order, reachable

SPACE = Space(PatchCoreSpec, {"patch_size": (1, 3), "layers": ("layer2",), "coreset_fraction": (0.1, 0.25)})
DIGESTS = {"data_digest": "a" * 64, "spec_digest": "b" * 64}
NOBODY = f"{socket.gethostname()}|/no/such/place/worker.lock"


def opened(folder: Path, name: str = "s", **digests: str) -> optuna.Study:
    sampler = WithoutRepeats(SPACE, "grid", 0)
    return open_study(f"sqlite:///{folder}/optuna.db", [(name, DIGESTS | digests)], sampler, NopPruner(), 1)


def begin(study: optuna.Study, worker: str | None) -> int:
    """A trial that is at work on the next cell; its number."""
    trial = study.ask()
    if worker:
        trial.set_user_attr("worker", worker)
    SPACE.suggest(trial)
    return trial.number


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def nothing_done(_: object) -> None:
    return None


def test_the_default_lies_beside_the_tracking_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_storage("sqlite:////data/mlflow.db") == "sqlite:////data/optuna.db"
    assert default_storage("sqlite:///mlflow.db") == "sqlite:///optuna.db"
    assert default_storage("http://server:5000") == f"sqlite:///{tmp_path}/optuna.db"
    monkeypatch.setenv("ADTRACK_STORAGE", "postgresql://server/optuna")
    assert default_storage("sqlite:///mlflow.db") == "postgresql://server/optuna"


def test_a_study_is_made_once_and_found_again(tmp_path):
    study = opened(tmp_path)
    number = begin(study, None)
    study.tell(number, 0.5)
    again = opened(tmp_path)
    assert [trial.value for trial in again.trials] == [0.5] and DIGESTS.items() <= again.user_attrs.items()
    assert opened(tmp_path, "other").trials == []


def test_a_layout_that_was_killed_at_any_moment_leaves_no_half_database(tmp_path, killed_at):
    for statement in (3, 25, 50):
        assert killed_at(statement, lambda: opened(tmp_path)) and not (tmp_path / "optuna.db").exists()
    assert opened(tmp_path).trials == [] and [path.name for path in tmp_path.iterdir()] == ["optuna.db"]
    with contextlib.closing(sqlite3.connect(tmp_path / "optuna.db")) as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert {"ix_studies_study_name", "ix_trials_study_id", "alembic_version"} <= names


@pytest.mark.parametrize("key", ["data_digest", "spec_digest"])
def test_another_digest_is_refused_with_both(tmp_path, key):
    opened(tmp_path)
    with pytest.raises(UserError) as refusal:
        opened(tmp_path, **{key: "c" * 64})
    words = key.replace("_", " ")
    assert f"study s must go on with the {words} it began with, {DIGESTS[key][:12]}, but got {'c' * 12}." in str(
        refusal.value
    )
    assert DIGESTS.items() <= opened(tmp_path).user_attrs.items()


def test_a_study_of_somebody_else_is_not_taken_over(tmp_path):
    optuna.create_study(storage=f"sqlite:///{tmp_path}/optuna.db", study_name="s")
    with pytest.raises(UserError, match="it began with, none"):
        opened(tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////no/such/folder/o.db", "postgresql://anna:secret@nowhere/x"])
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(url):
    with pytest.raises(UserError, match="storage must be a database URL") as refusal:
        open_study(url, [("s", DIGESTS)], WithoutRepeats(SPACE, "grid", 0), NopPruner(), 1)
    assert "secret" not in str(refusal.value)


def test_only_trials_of_dead_workers_are_settled_and_queued_again(tmp_path):
    study = opened(tmp_path)
    worker = Worker()
    dead, living = begin(study, NOBODY), begin(study, worker.name)
    put_in_order(study, nothing_done)
    assert states(study) == ["FAIL", "RUNNING", "WAITING"]
    again = study.ask()
    assert again.number == 2 and SPACE.suggest(again) == study.trials[dead].params
    assert study.trials[2].user_attrs["retry_of"] == dead
    study.tell(again, 0.5)
    worker.close()
    put_in_order(study, nothing_done)
    assert states(study) == ["FAIL", "FAIL", "COMPLETE", "WAITING"]
    assert study.trials[3].user_attrs["retry_of"] == living


def test_a_second_call_queues_nothing_twice(tmp_path):
    study = opened(tmp_path)
    begin(study, NOBODY)
    for _ in range(3):
        put_in_order(opened(tmp_path), nothing_done)
    assert states(study) == ["FAIL", "WAITING"]


def test_a_retry_that_was_killed_too_comes_again(tmp_path):
    study = opened(tmp_path)
    first = begin(study, NOBODY)
    put_in_order(study, nothing_done)
    retry = study.ask()  # killed before it has suggested anything
    retry.set_user_attr("worker", NOBODY)
    put_in_order(study, nothing_done)
    assert states(study) == ["FAIL", "FAIL", "WAITING"]
    assert SPACE.suggest(study.ask()) == study.trials[first].params


def test_a_trial_that_failed_by_itself_is_not_tried_again(tmp_path):
    study = opened(tmp_path)
    trial = study.ask()
    SPACE.suggest(trial)
    trial.set_user_attr("error", "MemoryError")
    study.tell(trial, state=TrialState.FAIL)
    put_in_order(study, nothing_done)
    assert states(study) == ["FAIL"]


def test_a_trial_that_had_done_its_work_keeps_its_value(tmp_path):
    study = opened(tmp_path)
    number = begin(study, NOBODY)
    put_in_order(study, lambda trial: RecoveredTrial((0.75,), False) if trial.number == number else None)
    assert states(study) == ["COMPLETE"] and study.trials[0].value == 0.75


def test_a_pruned_trial_that_had_done_its_work_stays_pruned(tmp_path):
    study = opened(tmp_path)
    trial = study.ask()
    trial.set_user_attr("worker", NOBODY)
    SPACE.suggest(trial)
    trial.report(0.25, 1)
    put_in_order(study, lambda _: RecoveredTrial((0.25,), True))
    assert states(study) == ["PRUNED"] and study.trials[0].value == 0.25


def test_a_trial_whose_work_has_no_value_is_not_complete(tmp_path):
    study = opened(tmp_path)
    begin(study, NOBODY)
    put_in_order(study, lambda _: RecoveredTrial((math.nan,), False))
    assert states(study) == ["FAIL", "WAITING"]


def test_a_trial_killed_before_it_got_its_workers_name_is_settled(tmp_path):
    study = opened(tmp_path)
    study.add_trial(create_trial(state=TrialState.RUNNING))
    put_in_order(study, nothing_done)
    assert states(study) == ["FAIL"]


def test_a_trial_of_a_silent_machine_is_queued_again_and_its_run_is_killed(tmp_path, opened_store):
    client = MlflowClient()
    study = opened(tmp_path)
    silent, living = begin(study, "another-machine|a.lock"), begin(study, "another-machine|b.lock")
    home = client.get_experiment_by_name("adtrack").experiment_id
    runs = {number: client.create_run(home, tags={STUDY: "s", TRIAL: str(number)}) for number in (silent, living)}
    client.set_terminated(runs[silent].info.run_id, "FINISHED")  # it had ended just before, but nobody told the study
    with contextlib.closing(sqlite3.connect(tmp_path / "optuna.db")) as database, database:
        beat = "INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, datetime('now', ?) FROM trials "
        for number, age in ((silent, "-6 minutes"), (living, "-4 minutes")):
            database.execute(f"{beat} WHERE number = ?", (age, number))
    study = opened(tmp_path)
    put_in_order(study, nothing_done)
    assert states(study) == ["FAIL", "RUNNING", "WAITING"]
    assert study.trials[2].user_attrs["retry_of"] == silent
    statuses = [client.get_run(run.info.run_id).info.status for run in runs.values()]
    assert statuses == ["KILLED", "RUNNING"]


def test_every_study_has_a_key_of_its_own_and_keeps_it(tmp_path):
    key = opened(tmp_path).user_attrs["key"]
    assert opened(tmp_path).user_attrs["key"] == key != opened(tmp_path, "other").user_attrs["key"]


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path, blank_store):
    file = shutil.copy(blank_store, tmp_path / "optuna.db")
    before = Path(file).read_bytes()
    with pytest.raises(UserError, match=r"holds another program's tables.* sqlite:///studies.db is a file of its own"):
        opened(tmp_path)
    assert Path(file).read_bytes() == before


def test_a_database_that_goes_away_is_a_sentence(tmp_path):
    study = opened(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "optuna.db")) as database, database:
        database.execute("DROP TABLE trials")
    with pytest.raises(TroubleError, match="storage must stay reachable") as refusal, reachable("postgresql://a:b@c/d"):
        study.ask()
    assert "postgresql://c/d" in str(refusal.value)
    with pytest.raises(TroubleError, match="disks must have room"), reachable("sqlite:///optuna.db"):
        raise StorageInternalError from RuntimeError("database or disk is full")
