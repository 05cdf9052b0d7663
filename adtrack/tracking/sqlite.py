"""SQLite databases and their URLs: which file a URL means, and which URL means a file."""

from pathlib import Path

import sqlalchemy

from adtrack.errors import UserError

PREFIX = "sqlite:///"


def sqlite_file(url: str) -> Path | None:
    """The file that SQLAlchemy, and with it MLflow and Optuna, takes a URL for; None if it means no SQLite file."""
    if not url.startswith("sqlite"):
        return None
    database = sqlalchemy.make_url(url).database
    return Path(database) if database and database != ":memory:" and not database.startswith("file:") else None


def file_of(url: str) -> Path:
    """The same for a URL of which the caller knows that it means an SQLite file."""
    file = sqlite_file(url)
    if file is None:
        raise ValueError(f"{url} means no SQLite file")
    return file


def sqlite_url(file: Path) -> str:
    """The URL that means this file, whatever its folders are called.

    Where the path can't stand in it as it is, the driver is named, too: of a URL without, MLflow takes the escapes for
    a path, and makes that path's folder.
    """
    plain = f"{PREFIX}{file}"
    if sqlite_file(plain) == file and not set("{}") & set(str(file)):  # Optuna fills in what stands in braces
        return plain
    return sqlalchemy.URL.create("sqlite+pysqlite", database=str(file)).render_as_string()


def check_sqlite(url: str) -> None:
    """Refuse a URL that spells a path which it does not mean, as ``?`` ends it and ``%20`` is a space; or that means
    none, so that everything would be gone with the process."""
    if url.startswith("sqlite") and sqlalchemy.make_url(url).database in (None, "", ":memory:"):
        raise UserError(
            f"an SQLite URL must name a file, but {url} means a database in memory, which ends with the command.",
            f"{PREFIX}mlflow.db means a file in the working folder.",
        )
    if not url.startswith(PREFIX):
        return
    spelt, meant = Path(url.removeprefix(PREFIX)), sqlite_file(url)
    if meant is None or meant.parent == spelt.parent or not spelt.parent.is_dir():
        return
    if meant.name != spelt.name or not meant.parent.is_dir():
        raise UserError(
            f"an SQLite URL must spell ? and % of a path as %3F and %25, but {url} means {meant}.",
            f"write {sqlite_url(spelt)}; {PREFIX}{spelt.name} means a file in the working folder.",
        )
