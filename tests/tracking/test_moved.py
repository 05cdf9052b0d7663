"""A store whose folder was moved, copied, or is reached by a link."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adtrack.tracking.moved import MovedFolder, moves_of, re_rooted
from adtrack.tracking.sqlite import sqlite_url
from adtrack.tracking.store import open_store, search_runs

SCORE = ("score", "--model", "models:/adtrack-part@champion", "--device", "cpu")


def rows(file: Path) -> list[tuple]:
    """Everything that the database holds."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(name, sorted(map(repr, database.execute(f"SELECT * FROM {name}")))) for name in sorted(names)]


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", ["b", "line?7 a%20b"])
def test_a_moved_store_is_not_written_to_until_doctor_has_put_the_new_place_in(
    own_study, adtrack, part, space, tiny_data, tmp_path, monkeypatch, name
):
    old, new = own_study.folder, tmp_path / name
    shutil.move(old, new)
    monkeypatch.chdir(new)
    before = rows(new / "mlflow.db")
    score = (*SCORE, tiny_data / "part/test/spot/000.png", "--out", tmp_path / "scored")
    verbs = (score, ("build-bank", *part), ("tune", *part, *space), ("export", "--out", tmp_path / "tables"))
    for command in verbs if name == "b" else (score,):
        done = adtrack(*command)
        assert done.code == 2 and f"it says {old}/mlruns, and they lie in {new}/mlruns: the store was moved" in done.err
        assert "adtrack doctor --fix" in done.err and "Traceback" not in done.err
    done = adtrack("doctor")
    assert done.code == 1 and f"its database says {old}/mlruns" in unwrapped(done.out)
    assert "1 broken and" in done.out and "adtrack doctor --fix mends 1 of them" in done.out, done.out
    assert rows(new / "mlflow.db") == before and not old.exists()

    done = adtrack("doctor", "--fix")
    assert done.code == 0 and "Nothing is broken." in done.out, done.out
    (copy,) = new.glob("mlflow.db.before-move-*")
    assert rows(copy) == before and moves_of(sqlite_url(new / "mlflow.db")) == []
    assert str(old) not in repr([row for row in rows(new / "mlflow.db") if row[0] not in ("tags", "datasets")])
    done = adtrack(*score)
    assert done.code == 0, done.err
    open_store()
    assert len(search_runs("")) == 4 and not old.exists()
    place = MlflowClient().get_experiment_by_name("adtrack").artifact_location
    assert place == (f"{new}/mlruns/1" if name == "b" else (new / "mlruns/1").as_uri())


def test_a_copied_store_is_told_and_left_as_it_is(own_study, adtrack, tmp_path, tiny_data, monkeypatch):
    copied = tmp_path / "copied"
    shutil.copytree(own_study.folder, copied)
    monkeypatch.chdir(copied)
    before = rows(copied / "mlflow.db")
    done = adtrack("doctor", "--fix")
    assert done.code == 0 and f"files in {copied}/mlruns, beside it, as well" in unwrapped(done.out)
    assert not list(copied.glob("*before-move*"))
    done = adtrack(*SCORE, tiny_data / "part/test/spot/000.png", "--out", tmp_path / "scored")
    assert done.code == 0 and f"Files of this store lie in {own_study.folder}/mlruns and in {copied}/mlruns" in done.err
    assert rows(copied / "mlflow.db") == before


def test_files_that_lie_where_the_database_says_were_not_moved(own_study, workplace, tmp_path, monkeypatch):
    """Beside it, reached by a link, or in the folder of another program's working directory."""
    (tmp_path / "link").symlink_to(own_study.folder)
    for folder in (own_study.folder, tmp_path / "link"):
        assert moves_of(f"sqlite:///{folder}/mlflow.db") == []
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(own_study.folder / "mlflow.db", tmp_path / "elsewhere")
    assert moves_of(f"sqlite:///{tmp_path}/elsewhere/mlflow.db") == []
    assert moves_of(f"sqlite:///{tmp_path}/none.db") == moves_of("http://server:5000") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/a/mlruns/1", "/b/mlruns/1"),
        ("/a/mlruns", "/b/mlruns"),
        ("file:///a/mlruns/1/x%20y", "file:///b/mlruns/1/x%20y"),
        *((kept, None) for kept in ("/a/mlruns2/1", "/aa/mlruns/1", "/a", "models:/m-1", "s3://a/mlruns/1")),
        *((kept, None) for kept in ("mlflow-artifacts:/a/mlruns/1", "a/mlruns/1", "any text")),
    ],
)
def test_only_what_lies_below_the_old_place_is_changed(value, expected):
    assert re_rooted(value, MovedFolder(Path("/a/mlruns"), Path("/b/mlruns"), False)) == expected
