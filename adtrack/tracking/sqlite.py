"""Translates between SQLite files and the URLs that stand for them."""

from pathlib import Path

import sqlalchemy

from adtrack.errors import UserError

PREFIX = "sqlite:///"


def sqlite_file(url: str) -> Path | None:
    """The file that a URL stands for in SQLAlchemy, MLflow and Optuna. None if it stands for no SQLite file."""
    if not url.startswith("sqlite"):
        return None
    database = sqlalchemy.make_url(url).database
    return Path(database) if database and database != ":memory:" and not database.startswith("file:") else None


def file_of(url: str) -> Path:
    """The SQLite file of a URL that stands for one. ValueError if it does not."""
    file = sqlite_file(url)
    if file is None:
        raise ValueError(f"{url} stands for no SQLite file")
    return file


def sqlite_url(file: Path) -> str:
    """The URL that stands for this file, whatever characters its path has.

    If characters of the path must be escaped, the URL names the driver. Without the driver, MLflow would take the
    escaped text for a path and make a folder of that name.
    """
    plain = f"{PREFIX}{file}"
    if sqlite_file(plain) == file and not set("{}") & set(str(file)):  # Optuna would replace names in braces by values
        return plain
    return sqlalchemy.URL.create("sqlite+pysqlite", database=str(file)).render_as_string()


def check_sqlite(url: str) -> None:
    """Refuse a URL that stands for another file than it seems to, or for none.

    ``?`` ends the path of a URL and ``%20`` stands for a space, so a path with such characters is not the file's path.
    A URL without a file stands for a database in memory, which would be lost with the process.
    """
    if url.startswith("sqlite") and sqlalchemy.make_url(url).database in (None, "", ":memory:"):
        raise UserError(
            f"an SQLite URL must name a file, but {url} is a database in memory, which is lost when the command ends.",
            f"{PREFIX}mlflow.db is a file in the working folder.",
        )
    if not url.startswith(PREFIX):
        return
    spelt, meant = Path(url.removeprefix(PREFIX)), sqlite_file(url)
    if meant is None or meant.parent == spelt.parent or not spelt.parent.is_dir():
        return
    if meant.name != spelt.name or not meant.parent.is_dir():
        raise UserError(
            f"an SQLite URL must spell ? and % of a path as %3F and %25, but {url} stands for {meant}.",
            f"write {sqlite_url(spelt)}; {PREFIX}{spelt.name} is a file in the working folder.",
        )
