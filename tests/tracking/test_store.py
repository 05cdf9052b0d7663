"""The tracking store: which one is opened, and how its runs are found."""

import os
import shutil

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from adtrack.errors import UserError
from adtrack.tracking import store
from adtrack.tracking.store import open_store, quoted, search_runs


def make_run(study: str) -> str:
    """A run of a study; its id."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name("adtrack").experiment_id
    return client.create_run(experiment, tags={"adtrack.study": study}).info.run_id


def test_without_a_word_the_store_is_a_file_in_the_working_directory(tmp_path, workplace, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert open_store() == f"sqlite:///{empty}/mlflow.db"
    assert (empty / "mlflow.db").is_file()
    client = MlflowClient()
    experiment = client.get_experiment_by_name("adtrack").experiment_id
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "here", "note.txt")
    assert (empty / "mlruns" / experiment / run_id / "artifacts" / "note.txt").is_file()
    with mlflow.start_run() as run:  # a program's own runs stay where they would be without adtrack
        assert run.info.experiment_id == "0"


def test_the_variable_decides_which_store_it_is(tmp_path, workplace, blank_store, monkeypatch):
    elsewhere = shutil.copy(blank_store, tmp_path / "elsewhere.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    assert open_store() == f"sqlite:///{elsewhere}" == mlflow.get_tracking_uri()
    assert MlflowClient(f"sqlite:///{elsewhere}").get_experiment_by_name("adtrack")
    assert MlflowClient(f"sqlite:///{workplace}/mlflow.db").get_experiment_by_name("adtrack") is None


def test_a_store_that_cannot_be_had_is_named_without_its_password(workplace, monkeypatch):
    file = workplace / "file"
    file.touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}/below/mlflow.db")
    with pytest.raises(UserError, match="tracking store must be reachable and writable"):
        open_store()
    assert store.without_password("postgresql://anna:se@cret@host/db") == "postgresql://host/db"
    assert store.without_password("postgresql://host/db?password=secret") == "postgresql://host/db"
    assert store.without_password("sqlite:////a@b/c.db") == "sqlite:////a@b/c.db"
    assert store.without_password("mlruns") == "mlruns"


def test_an_error_of_the_store_is_shown_without_the_password():
    uri = "http://anna:se%40cret@host:5000"
    said = store.what_it_says(ValueError(f"request to {uri}/api failed: se@cret, se%40cret\nand more"), uri)
    assert said == "request to http://host:5000/api failed: …, …"
    assert store.what_it_says(ValueError(), "http://host") == "ValueError"


def test_a_server_that_hangs_up_is_named_after_three_tries(workplace, monkeypatch, deaf_server):
    server = deaf_server(hang_up=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{server.place}")
    with pytest.raises(UserError, match=f"http://{server.place} is not .* MLFLOW_TRACKING_PASSWORD"):
        open_store()
    assert server.asked == 3 and "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_cache_that_cannot_be_written_is_named(workplace, monkeypatch):
    (workplace / "file").touch()
    monkeypatch.setenv("ADTRACK_CACHE", str(workplace / "file"))
    with pytest.raises(UserError, match=r"adtrack's cache must be writable.*ADTRACK_CACHE"):
        open_store()


def test_a_search_goes_through_all_pages_and_experiments(opened_store, monkeypatch):
    client = MlflowClient()
    elsewhere = client.create_experiment("elsewhere")
    made = [make_run("a") for _ in range(4)] + [client.create_run(elsewhere).info.run_id]
    real = MlflowClient.search_runs

    def in_small_pages(self: MlflowClient, *arguments: object, **options: object) -> list[Run]:
        return real(self, *arguments, **(options | {"max_results": 2}))

    monkeypatch.setattr(MlflowClient, "search_runs", in_small_pages)
    assert {run.info.run_id for run in search_runs("")} == set(made)


@pytest.mark.parametrize("name", ["plain", "Anna's", 'the "new" one', "100 % [x]"])
def test_studies_are_found_by_any_name(opened_store, name):
    made = make_run(name)
    make_run("other")
    assert [run.info.run_id for run in search_runs(f"tags.`adtrack.study` = {quoted(name)}")] == [made]


def test_a_name_with_both_quotes_is_refused():
    with pytest.raises(UserError, match="both kinds of quotes"):
        quoted("'\"")
