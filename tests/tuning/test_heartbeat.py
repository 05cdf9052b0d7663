"""The sign of life of a trial: it is written while the trial is at work, and a missed beat ends nothing."""

import contextlib
import sqlite3
import threading
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from adtrack.tuning.heartbeat import heart_of, heartbeat


def beats(folder: Path) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(folder / "optuna.db")) as database:
        return database.execute("SELECT trial_id, heartbeat FROM trial_heartbeats").fetchall()


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    storage = RDBStorage(f"sqlite:///{tmp_path}/optuna.db", heartbeat_interval=60)
    return optuna.create_study(storage=storage)


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_trial_is_alive_from_the_first_moment_on(study, tmp_path, monkeypatch):
    trial, storage = study.ask(), heart_of(study)
    done, count = threading.Event(), []
    real = storage.record_heartbeat

    def record(trial_id: int) -> None:
        real(trial_id)
        count.append(trial_id)
        if len(count) == 3:
            done.set()

    monkeypatch.setattr(storage, "record_heartbeat", record)
    before = threading.active_count()
    with heartbeat(study, trial, interval=0.001):
        assert done.wait(60)
    assert threading.active_count() == before and set(count) == {trial._trial_id}
    assert [number for number, _ in beats(tmp_path)] == [trial._trial_id]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_missed_beat_ends_nothing(study, tmp_path, monkeypatch):
    trial, storage = study.ask(), heart_of(study)
    missed, again, real = threading.Event(), threading.Event(), storage.record_heartbeat

    def record(trial_id: int) -> None:
        try:
            real(trial_id)
        except StorageInternalError:
            (again if missed.is_set() else missed).set()
            raise

    monkeypatch.setattr(storage, "record_heartbeat", record)
    with contextlib.closing(sqlite3.connect(tmp_path / "optuna.db")) as database, database:
        database.execute("DROP TABLE trial_heartbeats")
    with heartbeat(study, trial, interval=0.001):
        assert missed.wait(60) and again.wait(60)  # the thread has gone on


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_the_beats_end_with_an_error(study):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), heartbeat(study, study.ask()):
        raise KeyboardInterrupt
    assert threading.active_count() == before


def test_a_storage_without_heartbeats_is_refused():
    with pytest.raises(TypeError, match="keeps no heartbeats"):
        heart_of(optuna.create_study())
