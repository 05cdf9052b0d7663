"""Databases are laid out whole or not at all; one that a killed process has left half laid out is recognised."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy
from mlflow.store.db import utils as database

from adtrack.tracking.locks import engine_options, one_at_a_time
from adtrack.tracking.sqlite import file_of, sqlite_file

_SIDECARS = ("-journal", "-wal", "-shm")  # what SQLite keeps beside a database while it writes


def lay_out_store(uri: str) -> None:
    """Lay out MLflow's tables if the store is an SQLite file that is not there yet."""
    lay_out(uri, _mlflows_tables)


def lay_out(url: str, make: Callable[[str], None]) -> None:
    """Have ``make(url)`` lay out a database if it is an SQLite file that is not there yet, or is empty.

    The tables are made under a name of their own, which becomes the database's when they are complete: SQLite takes
    each table for itself, and a program that is killed between two of them would leave what nobody can use. To be
    called by one process at a time.
    """
    file = sqlite_file(url)
    if file is None or database_tables(url):
        return
    draft = file.with_name(f"{file.name}.partial")
    _remove(draft, *_beside(draft))
    make(sqlalchemy.make_url(url).set(database=str(draft)).render_as_string(hide_password=False))
    if database_tables(url):  # another program, such as mlflow ui, has begun meanwhile, and has the file open
        _remove(draft)
        return
    _remove(*_beside(file))  # of a database that is gone: SQLite would play them back into the new one
    draft.replace(file)


def database_tables(url: str) -> set[str]:
    """Names of a database's tables. An SQLite file that is not there has none, and is not made."""
    place = sqlalchemy.make_url(url)
    if place.get_backend_name() == "sqlite" and not (place.database and Path(place.database).is_file()):
        return set()
    engine = sqlalchemy.create_engine(place, **engine_options(url))
    try:
        return set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def is_half_laid(uri: str) -> bool:
    """Whether MLflow's tables are there in part and hold nothing that anybody has logged.

    A store of another MLflow that holds something, if only an experiment, is none.
    """
    tables = database_tables(uri)
    if "experiments" not in tables:
        return False
    engine = sqlalchemy.create_engine(uri, **engine_options(uri))
    try:
        if database._get_schema_version(engine) not in _revisions_on_the_way():
            return False
        with engine.connect() as connection:
            return not any(_rows(connection, table) for table in tables)
    finally:
        engine.dispose()


def _revisions_on_the_way() -> set[str | None]:
    """The states of a layout that this MLflow passes through, without the last: a newer MLflow's are not among them."""
    scripts = database.ScriptDirectory.from_config(database._get_alembic_config(""))
    return {None, *(script.revision for script in scripts.walk_revisions())} - set(scripts.get_heads())


def mend_half_laid(uri: str) -> str:
    """What makes a half-laid store usable."""
    if sqlite_file(uri):
        return "adtrack doctor --fix moves the file aside, and the next command makes a new one."
    name = sqlalchemy.make_url(uri).database  # PostgreSQL takes the first tables together, and then all the others
    return (
        "The next command, or the next start of mlflow server, makes the rest of the tables. If it fails, make the "
        f"database anew: DROP DATABASE {name}; CREATE DATABASE {name};"
    )


def move_aside(uri: str) -> str:
    """Give a half-laid SQLite file another name, so that the next command makes a new one; says which."""
    file = file_of(uri)
    with one_at_a_time(uri):
        if not is_half_laid(uri):
            return f"{file} is whole by now"
        aside = file.with_name(f"{file.name}.half-laid-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        for path in (file, *_beside(file)):
            if path.exists():
                path.rename(f"{aside}{path.name.removeprefix(file.name)}")
    return f"moved the half-laid {file.name} to {aside.name}"


def _rows(connection: sqlalchemy.Connection, table: str) -> int:
    """How many rows of a table somebody has logged: MLflow puts its default experiment and workspace there itself."""
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
        database._initialize_tables(engine)  # MLflow has no public way that ends with a closed file
    finally:
        engine.dispose()


def _beside(file: Path) -> list[Path]:
    return [file.with_name(file.name + ending) for ending in _SIDECARS]


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
