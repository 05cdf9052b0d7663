"""A throw-away PostgreSQL for tests of what several machines share, and versions for tests of the registry."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server with a password of its own."""

    port: int
    password: str

    def url(self, database: str) -> str:
        """As SQLAlchemy, MLflow and Optuna want it."""
        return f"postgresql://adtrack:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of a database that is empty."""
        name = f"cold_{secrets.token_hex(4)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


def _program(name: str) -> str:
    """Debian keeps PostgreSQL's programs beside the PATH."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    if found is None:
        pytest.skip(f"needs PostgreSQL's {name} (Debian: apt-get install postgresql)")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Finds a port that nobody listens to at the moment."""
    return _free_port


class _Deaf:
    """Takes connections on a port of its own and never answers; ``asked`` counts them."""

    def __init__(self, hang_up: bool) -> None:
        self.asked, self._open, self._hang_up = 0, [], hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                taken, _ = self._listener.accept()
                self.asked += 1
                taken.close() if self._hang_up else self._open.append(taken)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._open):
            one.close()


@pytest.fixture
def deaf_server() -> Iterator[Callable[..., _Deaf]]:
    """Starts servers that take each connection and stay silent, or hang up at once with ``hang_up=True``."""
    started: list[_Deaf] = []

    def start(hang_up: bool = False) -> _Deaf:
        started.append(_Deaf(hang_up))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server on a free port, its data in a folder that goes with it."""
    initdb, server = _program("initdb"), _program("postgres")
    # PostgreSQL refuses to be root, and pytest's own folders are closed to every other user.
    nobody = pwd.getpwnam("nobody")
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="adtrack-postgres-") as folder:
        data, found = Path(folder) / "data", Postgres(_free_port(), secrets.token_urlsafe(12))
        (Path(folder) / "password").write_text(found.password)
        if user:
            for path in (folder, Path(folder) / "password"):
                shutil.chown(path, user["user"], user["group"])
        layout = ("--auth=scram-sha-256", f"--pwfile={folder}/password", "--username=adtrack", "--no-sync")
        subprocess.run(
            [initdb, "-D", data, *layout, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, **user
        )
        quick = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "listen_addresses=127.0.0.1", "-k", folder)
        log = (Path(folder) / "log").open("wb")
        process = subprocess.Popen([server, "-D", data, "-p", str(found.port), *quick], stdout=log, stderr=log, **user)
        try:
            _wait_until_it_answers(found, process, Path(folder) / "log")
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            log.close()


def _wait_until_it_answers(postgres: Postgres, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            psycopg.connect(postgres.url("postgres")).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()}")


@pytest.fixture
def nuts(opened_store: str, workplace: Path) -> None:
    """Five versions of "nut" without a model behind them; the first is champion, the last candidate."""
    from mlflow import MlflowClient

    client, name = MlflowClient(), "adtrack-nut"
    client.create_registered_model(name)
    for _ in range(5):
        client.create_model_version(name, str(workplace))
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "candidate", "5")
