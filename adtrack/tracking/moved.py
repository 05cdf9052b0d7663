"""Recognises and repairs a store whose folder was moved.

MLflow keeps absolute paths, so it looks for the files of such a store in the folder where they lay before.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adtrack.errors import UserError
from adtrack.findings import BROKEN, NOTE, Check, Finding, counted
from adtrack.progress import say
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.places import artifact_uri, local_folder
from adtrack.tracking.sqlite import file_of, sqlite_file

# The (table, column) pairs in which MLflow keeps absolute paths: of runs' files, models, versions, and traces of other
# programs.
_PLACES = (
    *(("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location")),
    *(("model_versions", "source"), ("model_versions", "storage_location")),
    ("trace_tags", "value"),  # one of these tags, mlflow.artifactLocation, holds a path
)


@dataclass(frozen=True)
class MovedFolder:
    """A folder of a store that lies in ``new``, beside the database, although the database says ``old``.

    ``in_both`` says whether the old folder holds files as well.
    """

    old: Path
    new: Path
    in_both: bool


def moves_of(uri: str) -> list[MovedFolder]:
    """The folders that do not lie where the store's SQLite file says, but beside that file."""
    file = sqlite_file(uri)
    if file is None or not file.is_file():
        return []
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
        if "experiments" not in _tables(database):
            return []
        roots = [root for (root,) in database.execute("SELECT artifact_location FROM experiments") if root]
    found: dict[Path, MovedFolder] = {}
    for folder in filter(None, map(local_folder, roots)):
        for move in _move(folder, file.absolute().parent):
            known = found.get(move.old)
            found[move.old] = MovedFolder(move.old, move.new, move.in_both or bool(known and known.in_both))
    return list(found.values())


def _move(folder: Path, beside: Path) -> Iterator[MovedFolder]:
    """How an experiment's folder was moved, or nothing if it was not.

    The new folder is the longest end of the old path that exists beside the database.
    """
    for at in range(1, len(folder.parts) - 1):  # at least two names, since one alone may exist by chance
        new = beside.joinpath(*folder.parts[at:])
        if new.is_dir():
            if not (folder.is_dir() and folder.samefile(new)):
                yield MovedFolder(Path(*folder.parts[: at + 1]), beside / folder.parts[at], _holds_something(folder))
            return


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def refuse_moved(uri: str) -> None:
    """Raise UserError if the store was moved, since whatever is written now would go to the old folder.

    If both folders hold files, the store may have been moved or copied: then the user is told, and no error is raised.
    """
    for move in moves_of(uri):
        if move.in_both:
            say(f"Files of this store lie in {move.old} and in {move.new}. adtrack doctor says what that means.")
        else:
            raise UserError(
                f"a store's files must lie where its database says, but it says {move.old}, and they lie in "
                f"{move.new}: the store was moved.",
                "adtrack doctor --fix puts the new place into the database.",
            )


def look_at_place(uri: str) -> list[Check]:
    """The check that finds a moved store; empty if all files lie where the database says."""
    findings = tuple(_in_both(move) if move.in_both else _moved(uri, move) for move in moves_of(uri))
    return [Check("Tracking store", "place", "not where the database says", findings)] if findings else []


def _moved(uri: str, move: MovedFolder) -> Finding:
    return Finding(
        BROKEN,
        f"the store was moved: its database says {move.old}, and the files lie in {move.new}",
        "Models and pictures are not found, and new runs would be written to the old place. No verb uses the store.",
        "adtrack doctor --fix copies the database and then puts the new place into it. Or move the folder back.",
        mend=lambda: re_root(uri, move),
    )


def _in_both(move: MovedFolder) -> Finding:
    return Finding(
        NOTE,
        f"the database says {move.old}, and there are files in {move.new}, beside it, as well",
        "Either the store was copied, and what is logged here is written among the files of the original; or it was "
        "moved, and something has been logged to the old place since.",
        "If the store was copied, use the original. If it was moved, move those files of the old folder that the new "
        "one lacks, remove the old folder, and run adtrack doctor --fix.",
    )


def re_root(uri: str, move: MovedFolder) -> str:
    """Copy the database, then put the new place into all of its paths, or into none of them if one fails.

    Returns a sentence that says what was done.
    """
    file = file_of(uri)
    with one_at_a_time(uri), contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        copy = file.with_name(f"{file.name}.before-move-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        with contextlib.closing(sqlite3.connect(copy)) as kept:
            database.backup(kept)
        database.execute("BEGIN IMMEDIATE")
        try:
            changed = sum(_change(database, table, column, move) for table, column in _PLACES)
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
    return f"put {move.new} into {counted(changed, 'place')} of {file.name}; {copy.name} is as it was"


def _change(database: sqlite3.Connection, table: str, column: str, move: MovedFolder) -> int:
    """Put the new place into the paths of a column. Returns how many rows were changed."""
    if table not in _tables(database):  # another version of MLflow may have no such table
        return 0
    values = [value for (value,) in database.execute(f"SELECT DISTINCT {column} FROM {table}") if value]
    new = {value: there for value in values if (there := re_rooted(value, move))}
    asked = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"
    return sum(database.execute(asked, (there, value)).rowcount for value, there in new.items())


def _tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def re_rooted(value: str, move: MovedFolder) -> str | None:
    """A path or ``file:`` URI below the old place, rewritten to lie below the new place. None for all others."""
    folder = local_folder(value)
    if folder is None or not folder.is_relative_to(move.old):
        return None
    return artifact_uri(move.new / folder.relative_to(move.old), plain=not value.startswith("file:"))
