"""The health of the tracking store, on stores that are really spoilt."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import mlflow
import pytest

from adtrack.findings import BROKEN, NOTE, OK
from adtrack.tracking import health
from adtrack.tracking.health import local_places, look_at_store
from adtrack.tracking.layout import database_tables
from adtrack.tracking.places import local_folder
from adtrack.tracking.run_health import look_at_runs


@pytest.fixture
def uri(workplace: Path) -> str:
    """The address of the workplace's store, which is up to date."""
    return f"sqlite:///{workplace}/mlflow.db"


def change(folder: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute(statement)
        database.commit()


def test_a_store_in_order_is_ok_and_stays_as_it_was(workplace: Path, uri: str) -> None:
    before = (workplace / "mlflow.db").read_bytes()
    check, usable = look_at_store(uri)
    assert (check.level, usable) == (OK, True) and "schema up to date" in check.detail
    assert mlflow.get_tracking_uri() == uri
    assert look_at_runs().level == OK
    assert (workplace / "mlflow.db").read_bytes() == before
    assert [path.name for path in workplace.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("content", [None, b""])
def test_where_no_store_is_none_is_made(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "mlflow.db"
    if content is not None:
        file.write_bytes(content)
    check, usable = look_at_store(f"sqlite:///{file}")
    assert (check.level, usable) == (NOTE, False) and "no store yet" in check.detail
    assert file.exists() == (content is not None) and (not file.exists() or file.read_bytes() == b"")
    assert database_tables(f"sqlite:///{tmp_path}/other.db") == set() and local_places(f"sqlite:///{file}") == {}
    assert not (tmp_path / "other.db").exists()


@pytest.mark.slow
def test_an_empty_postgresql_stays_empty_and_a_password_is_not_shown(postgres) -> None:
    uri = postgres.new_database()
    check, usable = look_at_store(uri)
    assert (check.level, usable) == (NOTE, False) and "no store yet" in check.detail and database_tables(uri) == set()
    check, usable = look_at_store(uri.replace(postgres.password, "another"))
    assert (check.level, usable) == (BROKEN, False) and "another:" not in str(check) and ":another" not in str(check)


def test_a_schema_of_another_version_is_named_with_the_remedy_and_not_migrated(workplace: Path, uri: str) -> None:
    change(workplace, "UPDATE alembic_version SET version_num = 'deadbeef0000'")
    before = (workplace / "mlflow.db").read_bytes()
    check, usable = look_at_store(uri)
    assert (check.level, usable) == (BROKEN, False)
    assert "schema is deadbeef0000" in check.findings[0].what and f"mlflow db upgrade {uri}" in check.findings[0].remedy
    assert (workplace / "mlflow.db").read_bytes() == before


def test_a_file_that_is_no_database_is_broken(workplace: Path, uri: str) -> None:
    (workplace / "mlflow.db").write_bytes(b"not a database at all" * 100)
    check, usable = look_at_store(uri)
    assert (check.level, usable) == (BROKEN, False) and "not a database" in check.findings[0].what


def test_a_store_that_cannot_be_written_to_is_broken(workplace: Path, uri: str) -> None:
    with contextlib.closing(sqlite3.connect(workplace / "mlflow.db")) as database:
        database.execute("BEGIN IMMEDIATE")  # another process writes, and does not come to an end
        check, usable = look_at_store(uri)
    assert (check.level, usable) == (BROKEN, False) and "database is locked" in check.findings[0].what


@pytest.mark.parametrize("hang_up", [False, True])
def test_a_server_that_does_not_answer_is_asked_once(hang_up: bool, deaf_server, monkeypatch) -> None:
    monkeypatch.setattr(health, "_SECONDS", 0.5)  # without a limit the silent one would be waited for without end
    server = deaf_server(hang_up)
    check, usable = look_at_store(f"http://anna:secret@{server.place}")
    assert (check.level, usable, server.asked) == (BROKEN, False, 1)
    text = f"{check.detail} {check.findings[0]}"
    assert "secret" not in text and f"http://{server.place}" in check.detail


@pytest.fixture
def serve() -> Iterator[Callable[[str], str]]:
    """Starts a server that says it is of an MLflow version and has no experiments; its URI."""
    servers = []

    def start(version: str) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(version if self.path == "/version" else "{}")

            def do_POST(self) -> None:
                self.answer("{}")

            def answer(self, text: str) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_of_another_version_is_a_note(workplace: Path, serve: Callable[[str], str]) -> None:
    check, usable = look_at_store(serve("2.9.1"))
    assert (check.level, usable) == (NOTE, True) and "the server's MLflow is 2.9.1" in check.findings[0].what
    check, usable = look_at_store(serve(mlflow.__version__))
    assert (check.level, usable) == (OK, True) and local_places("http://x") == {}


def test_the_folders_of_a_store_are_known(workplace: Path, opened_store: str) -> None:
    places = local_places(opened_store)
    assert places["store"] == workplace and places["artifacts"].is_relative_to(workplace / "mlruns")
    assert local_folder("file:///a/b%20c") == Path("/a/b c") and local_folder("/a/b") == Path("/a/b")
    assert local_folder("mlflow-artifacts:/1/2") is None and local_folder("s3://bucket/a") is None
