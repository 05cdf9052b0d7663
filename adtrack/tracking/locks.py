"""Locks that let one process at a time work on something.

A locked file keeps out the processes of the same machine, an advisory lock in PostgreSQL those of other machines.
"""

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
# With these settings the lock of a machine that vanishes is released within two minutes, and a machine that holds the
# lock for hours keeps it.
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
    """Let only one process at a time enter the ``with`` block that concerns ``what`` of the store at this URI.

    Processes of one machine always wait for each other. Processes of several machines do if the store is a PostgreSQL
    database. The lock is released however the process that holds it ends.
    """
    key = hashlib.sha256(f"{_place(uri)}\n{what}".encode()).hexdigest()[:16]
    with FileLock(writable("locks") / f"{key}.lock"), _lock_in_database(uri, what):
        yield


def _place(uri: str) -> str:
    """A text that is the same for all spellings of the URL of an SQLite file."""
    file = sqlite_file(uri)
    return str(file.resolve()) if file else uri


@contextlib.contextmanager
def _lock_in_database(uri: str, what: str) -> Iterator[None]:
    if not uri.startswith(_POSTGRESQL):
        yield
        return
    key = int.from_bytes(hashlib.sha256(f"adtrack {what}".encode()).digest()[:8], "big", signed=True)
    engine = sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=engine_options(uri)["connect_args"])
    with engine.begin() as connection:  # the lock lasts as long as this transaction, even behind a connection pool
        for name, value in _SESSION.items():
            connection.execute(sqlalchemy.text(f"SET LOCAL {name} = {value}"))
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(key)))
        yield


def engine_options(uri: str) -> dict[str, Any]:
    """Options for SQLAlchemy's ``create_engine``: a dead server is noticed, and a dead connection is made anew."""
    if not uri.startswith(_POSTGRESQL):
        return {}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 15}}


def writable(room: str) -> Path:
    """The folder of that name in adtrack's cache, which is made if it is missing. UserError if it can't be made."""
    folder = cache_folder(room)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"adtrack's cache must be writable, but {folder} is not ({error.strerror}).", "ADTRACK_CACHE moves it."
        ) from error
    return folder
