"""Databases that are laid out whole or not at all, by processes that are really killed meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adtrack.errors import UserError
from adtrack.findings import BROKEN, NOTE, OK
from adtrack.tracking.health import look_at_store
from adtrack.tracking.layout import _mlflows_tables, database_tables, is_half_laid, lay_out, lay_out_store, move_aside
from adtrack.tracking.sqlite import sqlite_file
from adtrack.tracking.store import open_store


@pytest.fixture
def cold(tmp_path: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a store."""
    folder = tmp_path / "cold"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def entries(file: Path) -> list:
    """Types and names of all that a database holds."""
    with closing(sqlite3.connect(file)) as database:
        return sorted(database.execute("SELECT type, name FROM sqlite_master").fetchall())


def test_a_store_whose_layout_was_killed_at_any_moment_is_opened_by_the_next_command(cold, blank_store, killed_at):
    for statement in (5, 45, 1000):
        assert killed_at(statement, open_store)
        assert not (cold / "mlflow.db").exists()
    (cold / "mlflow.db").touch()  # a program that was killed before its first table
    (cold / "mlflow.db-journal").write_bytes(b"of a database that is gone")
    uri = open_store()
    assert sorted(path.name for path in cold.iterdir()) == ["mlflow.db"]
    assert entries(cold / "mlflow.db") == entries(blank_store) and look_at_store(uri)[0].level == OK
    roots = [found.artifact_location for found in MlflowClient().search_experiments()]
    assert roots == [f"{cold}/mlruns/1", f"{cold}/mlruns/0"]
    assert killed_at(3, open_store) and open_store() == uri


def test_a_database_that_is_there_is_left_to_its_program(cold):
    (cold / "mlflow.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(UserError, match=r"must be reachable and writable.*not a database"):
        open_store()
    assert (cold / "mlflow.db").read_bytes() == b"not a database at all" * 100
    for uri in ("sqlite://", "sqlite:///:memory:", "postgresql://host/db", "http://host"):
        assert sqlite_file(uri) is None
        lay_out_store(uri) if uri.startswith("http") else None


def test_a_database_that_another_program_begins_meanwhile_is_not_replaced(tmp_path):
    file = tmp_path / "o.db"

    def make(draft: str) -> None:
        for path in (sqlite_file(draft), file):
            with closing(sqlite3.connect(path)) as database:
                database.execute(f"CREATE TABLE of_{path.stem} (number)".replace(".", "_"))

    lay_out(f"sqlite:///{file}", make)
    assert database_tables(f"sqlite:///{file}") == {"of_o"} and [*tmp_path.iterdir()] == [file]


@pytest.fixture
def half_laid(cold: Path, killed_at) -> str:
    """The address of a store that MLflow was killed at laying out; its folder is the working directory."""
    uri = f"sqlite:///{cold}/mlflow.db"
    assert killed_at(45, lambda: _mlflows_tables(uri))
    assert "experiments" in database_tables(uri)
    return uri


def test_a_half_laid_store_is_named_and_moved_aside_by_doctor(half_laid, cold, adtrack, monkeypatch):
    with pytest.raises(UserError, match=r"must have all of its tables, but .*mlflow.db has only some.*--fix moves"):
        open_store()
    check, usable = look_at_store(half_laid)
    assert (check.level, usable) == (BROKEN, False) and "only some of the store's tables" in check.findings[0].what
    done = adtrack("doctor", "--fix")
    assert "Mended: moved the incomplete mlflow.db to mlflow.db.half-laid-20" in done.out and "no store yet" in done.out
    (aside,) = cold.iterdir()
    assert is_half_laid(f"sqlite:///{aside}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")  # this process still holds the other file open
    assert open_store() == "sqlite:///mlflow.db" and not is_half_laid(half_laid)


def test_a_store_that_holds_something_or_is_whole_is_not_moved(half_laid, cold, blank_store):
    with closing(sqlite3.connect(cold / "mlflow.db")) as database, database:
        database.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (1, 'a', 'active')")
    assert not is_half_laid(half_laid) and "has all of its tables by now" in move_aside(half_laid)
    assert look_at_store(half_laid)[0].findings[0].mend is None
    assert not is_half_laid(f"sqlite:///{blank_store}")


@pytest.mark.slow
def test_a_half_laid_postgresql_is_named_and_finished_by_the_next_command(postgres, workplace, killed_at, monkeypatch):
    uri = postgres.new_database()
    assert killed_at(60, lambda: _mlflows_tables(uri))
    check, usable = look_at_store(uri)
    (found,) = check.findings
    assert (found.level, usable, found.mend) == (NOTE, False, None) and "only some of" in found.what
    assert "The next command" in found.remedy and "DROP DATABASE cold_" in found.remedy
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    open_store()
    assert look_at_store(uri)[0].level == OK
