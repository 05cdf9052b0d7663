"""The scores in an output folder while they are made: Parquet parts, and a journal of those that are in no part yet.

A row is in the journal as soon as its image is scored, so that a command that was killed goes on from there.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adtrack.errors import UserError
from adtrack.findings import first_line

if TYPE_CHECKING:
    import pyarrow

_PART = 4096  # rows of a part
_JOURNAL, _MODEL = "_journal.jsonl", "_model.json"  # readers of Parquet folders pass over names that begin with _
_KINDS = {
    "path": "string",
    "score": "float64",
    "threshold": "float64",
    "label": "int8",
    "error": "string",
    "as_stored": "bool_",
    "key": "string",
}

Row = dict[str, Any]


class Rows:
    """The rows that a folder holds of one model. The row that was added last counts if an image has several."""

    def __init__(self, folder: Path, model: str, digest: str) -> None:
        """``model`` is an address without aliases, and ``digest`` that of its files. Rows of another one are removed,
        whose address is then ``replaced``."""
        self.folder, self.replaced = folder, ""
        self.journal, about = folder / _JOURNAL, folder / _MODEL
        folder.mkdir(parents=True, exist_ok=True)
        now = {"model": model, "manifest": digest}
        before = _model(about)
        if before is None or (before["manifest"] or before["model"]) != (digest or model):
            self.replaced = before["model"] if before else ""
            about.unlink(missing_ok=True)  # first, as the rows that are left if this is cut off belong to no model
            for file in (self.journal, *self._parts()):
                file.unlink(missing_ok=True)
            _replace(about, json.dumps(now))
        self._fresh: list[Row] = []
        self._next = 1 + max((int(part.stem.removeprefix("part-")) for part in self._parts()), default=-1)

    def table(self) -> "pyarrow.Table":
        """All rows, one for each key. UserError: a part is damaged."""
        import pyarrow

        tables = [_read(part) for part in self._parts()]
        with _as_written(self.journal):
            tables.append(_table(self._journalled()))
        table = pyarrow.concat_tables(tables)
        latest = {key: row for row, key in enumerate(table["key"].to_pylist())}
        return table if len(latest) == len(table) else table.take(sorted(latest.values()))

    def keep(self, table: "pyarrow.Table", rows: Sequence[int]) -> None:
        """Let these rows of ``table`` be all that there are, and begin a new journal."""
        before = self._parts()
        if len(rows) != len(table) or len(table) != sum(map(_length, before)):
            for at in range(0, len(rows), _PART):
                self._write(table.take(rows[at : at + _PART]))
            for part in before:
                part.unlink()
        self.journal.unlink(missing_ok=True)

    def add(self, row: Row) -> None:
        """Add a row. It is there once this returns, whatever becomes of the process."""
        with self.journal.open("a", encoding="ascii") as stream:
            stream.write(f"{json.dumps(row)}\n")
        self._fresh.append(row)
        if len(self._fresh) == _PART:
            self.fold()

    def fold(self) -> None:
        """Put the rows of the journal into a part."""
        if self._fresh:
            self._write(_table(self._fresh))
        self.journal.unlink(missing_ok=True)
        self._fresh = []

    def _parts(self) -> list[Path]:
        return sorted(part for part in self.folder.glob("part-*.parquet") if part.stem[5:].isdecimal())

    def _write(self, table: "pyarrow.Table") -> None:
        from pyarrow import parquet

        part = self.folder / f"part-{self._next:05}.parquet"
        parquet.write_table(table, self.folder / "_part.new")
        (self.folder / "_part.new").replace(part)
        self._next += 1

    def _journalled(self) -> list[Row]:
        """The rows of the journal, whose last line may have been cut off."""
        lines = self.journal.read_text(encoding="ascii").splitlines(True) if self.journal.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]


@contextlib.contextmanager
def _as_written(file: Path) -> Iterator[None]:
    """Refuse a file that adtrack has not written like this."""
    import pyarrow

    try:
        yield
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(
            f"parts must be as adtrack wrote them, but {file} is not ({first_line(error)}).",
            "remove the folder of results, or choose another --out: all images are scored anew then.",
        ) from error


def _read(part: Path) -> "pyarrow.Table":
    from pyarrow import parquet

    with _as_written(part):
        return parquet.read_table(part, partitioning=None).select(list(_KINDS)).cast(_schema())


def _schema() -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in _KINDS.items()])


def _table(rows: Iterable[Row]) -> "pyarrow.Table":
    import pyarrow

    return pyarrow.Table.from_pylist(list(rows), schema=_schema())


def _length(part: Path) -> int:
    from pyarrow import parquet

    length: int = parquet.read_metadata(part).num_rows
    return length


def _model(file: Path) -> dict[str, str] | None:
    """What the rows of a folder are of; None if that cannot be told."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return {name: str(told[name]) for name in ("model", "manifest")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _replace(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
