"""SQLite files and their URLs, in folders that are called as they are called."""

import os
from pathlib import Path

import mlflow
import optuna
import pytest
from mlflow import MlflowClient
from sqlalchemy import make_url

from adtrack.errors import UserError
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.sqlite import check_sqlite, sqlite_file, sqlite_url
from adtrack.tracking.store import open_store, tracking_uri
from adtrack.tracking.tags import RunTags
from adtrack.tracking.workers import working
from adtrack.tuning.storage import default_storage

NAMES = ["line?7", "a%20b", "100%", "c#d", "e{f}", "g h", "零件 ä", "new\nline", "a&b=c;d", "it's", "what?.."]


@pytest.mark.parametrize("name", NAMES)
def test_a_url_means_its_file(name):
    file = Path("/data", name, "optuna.db")
    url = sqlite_url(file)
    assert sqlite_file(url) == file and make_url(url).database == str(file) and not make_url(url).query
    assert sqlite_file("postgresql://server/optuna") is None is sqlite_file("sqlite://")


@pytest.mark.parametrize("name", ["line?7", "a%20b #1 {x} what?..", "100% 零件 it's\n"])
def test_store_files_and_studies_lie_in_the_working_folder(own_cache, blank_store, tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(blank_store.read_bytes())
    monkeypatch.chdir(folder)
    before = sorted(tmp_path.iterdir())
    uri = open_store()
    try:
        assert MlflowClient().get_experiment_by_name("adtrack").artifact_location
        tags = RunTags("part", "patchcore", "none", "0123")
        with working() as worker, tracked_run(worker, tags) as run, one_at_a_time(uri):
            run.log_text("here", "notes/a.txt")
            place = run.artifact_place("notes/a.txt")
        assert Path(place).read_text() == "here" and Path(place).is_relative_to(folder / "mlruns")
        assert Path(mlflow.artifacts.download_artifacts(run_id=run.run_id, artifact_path="notes/a.txt")).is_file()
        optuna.create_study(storage=default_storage(uri), study_name="s")
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    assert {"mlflow.db", "mlruns", "optuna.db"} == {path.name for path in folder.iterdir()}
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("name", "spelt"), [("line?7", "line%3F7"), ("a%20b", "a%2520b")])
def test_a_url_that_spells_another_path_than_it_means_is_refused(tmp_path, monkeypatch, name, spelt):
    (tmp_path / name).mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/{name}/mlflow.db")
    with pytest.raises(UserError, match="must spell") as refused:
        open_store()
    assert f"write sqlite+pysqlite:///{tmp_path}/{spelt}/mlflow.db" in str(refused.value)
    check_sqlite(f"sqlite:///{tmp_path}/{spelt}/mlflow.db")
    check_sqlite(f"sqlite:///{tmp_path}/mlflow.db?timeout=30")
    assert tracking_uri().endswith(f"{name}/mlflow.db") and [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_store_that_would_end_with_the_command_is_refused(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    with pytest.raises(UserError, match=r"must name a file, but sqlite:.* is a database in memory"):
        open_store()
    assert not list(tmp_path.iterdir())
