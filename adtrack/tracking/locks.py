"""One process at a time: on one machine by a file, among machines by a lock in their PostgreSQL."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock
from sqlalchemy.pool import NullPool

from adtrack.cache import cache_folder
from adtrack.errors import UserError
from adtrack.tracking.sqlite import sqlite_file

_POSTGRESQL = "postgresql"
# A machine that vanishes gives its lock back within two minutes, and one that works for hours under it keeps it.
_SESSION = {
    "tcp_keepalives_idle": 60,
    "tcp_keepalives_interval": 20,
    "tcp_keepalives_count": 3,
    "lock_timeout": 0,
    "statement_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
}


@contextlib.contextmanager
def one_at_a_time(uri: str, what: str = "layout") -> Iterator[None]:
    """Let one process at a time into the ``with`` block for ``what`` of the store at this URI.

    Processes of one machine wait for each other in any case, those of several machines if the store is a PostgreSQL
    database. The lock is given back however its holder ends.
    """
    key = hashlib.sha256(f"{_place(uri)}\n{what}".encode()).hexdigest()[:16]
    with FileLock(writable("locks") / f"{key}.lock"), _lock_in_database(uri, what):
        yield


def _place(uri: str) -> str:
    """The same text for every way to name an SQLite file."""
    file = sqlite_file(uri)
    return str(file.resolve()) if file else uri


@contextlib.contextmanager
def _lock_in_database(uri: str, what: str) -> Iterator[None]:
    if not uri.startswith(_POSTGRESQL):
        yield
        return
    key = int.from_bytes(hashlib.sha256(f"adtrack {what}".encode()).digest()[:8], "big", signed=True)
    engine = sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=engine_options(uri)["connect_args"])
    with engine.begin() as connection:  # the lock lasts as long as this transaction, behind a connection pool too
        for name, value in _SESSION.items():
            connection.execute(sqlalchemy.text(f"SET LOCAL {name} = {value}"))
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(key)))
        yield


def engine_options(uri: str) -> dict[str, Any]:
    """How SQLAlchemy shall reach a database: a dead server is noticed, a connection that has died is made anew."""
    if not uri.startswith(_POSTGRESQL):
        return {}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 15}}


def writable(room: str) -> Path:
    """A folder of adtrack's cache, made if need be. UserError if it can't be."""
    folder = cache_folder(room)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"adtrack's cache must be writable, but {folder} is not ({error.strerror}).", "ADTRACK_CACHE moves it."
        ) from error
    return folder
