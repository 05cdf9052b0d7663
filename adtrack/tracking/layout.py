"""Makes the tables of a database all at once, and recognises a database in which a killed process left only some."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy
from mlflow.store.db import utils as database

from adtrack.tracking.locks import engine_options, one_at_a_time
from adtrack.tracking.sqlite import file_of, sqlite_file

_SIDECARS = ("-journal", "-wal", "-shm")  # suffixes of the files that SQLite keeps beside a database while it writes


def lay_out_store(uri: str) -> None:
    """Make MLflow's tables if the store is an SQLite file that does not exist yet."""
    lay_out(uri, _mlflows_tables)


def lay_out(url: str, make: Callable[[str], None]) -> None:
    """Let ``make(url)`` make the tables of a database if it is an SQLite file that does not exist yet or is empty.

    The tables are made in a file with another name. When all are complete, the file is renamed to the database. This is
    needed because SQLite commits every table separately, and a program that is killed between two tables would leave a
    database that nobody can use. Only one process at a time may call this function.
    """
    file = sqlite_file(url)
    if file is None or database_tables(url):
        return
    draft = file.with_name(f"{file.name}.partial")
    _remove(draft, *_beside(draft))
    make(sqlalchemy.make_url(url).set(database=str(draft)).render_as_string(hide_password=False))
    if database_tables(url):  # another program, such as mlflow ui, has made the database meanwhile and has it open
        _remove(draft)
        return
    _remove(*_beside(file))  # files of an earlier database that is gone; SQLite would apply them to the new one
    draft.replace(file)


def database_tables(url: str) -> set[str]:
    """The names of a database's tables. An SQLite file that does not exist has none, and is not made."""
    place = sqlalchemy.make_url(url)
    if place.get_backend_name() == "sqlite" and not (place.database and Path(place.database).is_file()):
        return set()
    engine = sqlalchemy.create_engine(place, **engine_options(url))
    try:
        return set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def is_half_laid(uri: str) -> bool:
    """Whether only some of MLflow's tables exist, and nobody has logged anything to them.

    A store of another version of MLflow that holds anything, even just an experiment, does not count.
    """
    tables = database_tables(uri)
    if "experiments" not in tables:
        return False
    engine = sqlalchemy.create_engine(uri, **engine_options(uri))
    try:
        if database._get_schema_version(engine) not in _unfinished_revisions():
            return False
        with engine.connect() as connection:
            return not any(_rows(connection, table) for table in tables)
    finally:
        engine.dispose()


def _unfinished_revisions() -> set[str | None]:
    """The schema versions that this MLflow passes through while it makes its tables, without the last one.

    Schema versions of a newer MLflow are not among them.
    """
    scripts = database.ScriptDirectory.from_config(database._get_alembic_config(""))
    return {None, *(script.revision for script in scripts.walk_revisions())} - set(scripts.get_heads())


def mend_half_laid(uri: str) -> str:
    """The sentences that tell how a store with only some of its tables is made usable."""
    if sqlite_file(uri):
        return "adtrack doctor --fix moves the file aside, and the next command makes a new one."
    name = sqlalchemy.make_url(uri).database  # PostgreSQL commits the tables in two groups
    return (
        "The next command, or the next start of mlflow server, makes the rest of the tables. If it fails, make the "
        f"database anew: DROP DATABASE {name}; CREATE DATABASE {name};"
    )


def move_aside(uri: str) -> str:
    """Rename an SQLite file with only some of its tables, so that the next command makes a new one.

    Returns a sentence that says what was done.
    """
    file = file_of(uri)
    with one_at_a_time(uri):
        if not is_half_laid(uri):
            return f"{file} has all of its tables by now"
        aside = file.with_name(f"{file.name}.half-laid-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        for path in (file, *_beside(file)):
            if path.exists():
                path.rename(f"{aside}{path.name.removeprefix(file.name)}")
    return f"moved the incomplete {file.name} to {aside.name}"


def _rows(connection: sqlalchemy.Connection, table: str) -> int:
    """How many rows of a table somebody has logged. MLflow's own default experiment and workspace do not count."""
    if table in ("alembic_version", "workspaces"):
        return 0
    asked = sqlalchemy.select(sqlalchemy.func.count()).select_from(sqlalchemy.table(table))
    if table == "experiments":
        asked = asked.where(sqlalchemy.column("experiment_id") != 0)
    return connection.execute(asked).scalar_one()


def _mlflows_tables(url: str) -> None:
    if file := sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    engine = database.create_sqlalchemy_engine(url)
    try:
        database._initialize_tables(engine)  # none of MLflow's public functions closes the file afterwards
    finally:
        engine.dispose()


def _beside(file: Path) -> list[Path]:
    return [file.with_name(file.name + ending) for ending in _SIDECARS]


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
