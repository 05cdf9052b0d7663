"""Tables as text: CSV, Markdown, LaTeX and HTML in files, and columns in a terminal."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import pandas as pd

from adtrack.naming import csv_cell, visible
from adtrack.reporting.document import Section, document
from adtrack.reporting.files import write_text
from adtrack.reporting.parts import SortableTable
from adtrack.reporting.table import Table
from adtrack.reporting.templating import render


def write_report(
    name: str,
    frame: pd.DataFrame,
    tables: Sequence[Table],
    folder: Path,
    *,
    title: str | None = None,
    below: Sequence[Section] = (),
) -> list[Path]:
    """Writes <name>.csv (``frame``, full precision), .md, .tex and .html (``tables``, rounded).

    The paths come in that order. ``title`` is the HTML page's; without one it is the name in words. The sections
    ``below`` follow the page's tables. LaTeX labels are tab:<name>-1 and so on.
    """
    texts = {
        "csv": csv_text(frame),
        "md": markdown(tables),
        "tex": latex(tables, name.replace("_", "-")),
        "html": page(tables, title or name.replace("_", " ").capitalize(), below),
    }
    return [write_text(Path(folder) / f"{name}.{suffix}", text) for suffix, text in texts.items()]


def page(tables: Sequence[Table], title: str, below: Sequence[Section] = ()) -> str:
    """The tables as a page, each under its own title, and the sections ``below`` them."""
    return document(title, [*(Section(table.title, [SortableTable(table)]) for table in tables), *below])


def markdown(tables: Sequence[Table]) -> str:
    """The tables as GitHub-flavoured Markdown."""
    return render("tables.md", tables=tables)


def markdown_table(table: Table) -> str:
    """The table alone as Markdown, without title and notes."""
    return render("table.md", table=table)


def latex(tables: Sequence[Table], label: str) -> str:
    """The tables as LaTeX floats, to be read by ``\\input``, labelled ``tab:<label>-1`` and so on.

    They need the packages booktabs and graphicx.
    """
    return render("tables.tex", tables=tables, label=label)


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV in full precision; no text in it is a formula to a spreadsheet (``naming.csv_cell``)."""
    safe = frame.map(lambda value: csv_cell(value) if isinstance(value, str) else value)
    text: str = safe.rename(columns=csv_cell).to_csv(index=False, lineterminator="\n")
    return text


def plain_table(table: Table, width: int | None = None) -> str:
    """The table's cells in aligned columns, for a terminal.

    Columns that don't fit into ``width`` characters come below, each part led by the first columns of words again.
    """
    texts = (tuple(column.heading for column in table.columns), *table.rows)
    cells = zip(*([visible(" ".join(text.split())) for text in row] for row in texts), strict=True)
    columns = [_aligned(texts, column.number) for texts, column in zip(cells, table.columns, strict=True)]
    parts = [
        [f"  {'  '.join(row)}".rstrip() for row in zip(*part, strict=True)] for part in _parts(table, columns, width)
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def _aligned(texts: Sequence[str], number: bool) -> list[str]:
    width = max(map(len, texts))
    return [text.rjust(width) if number else text.ljust(width) for text in texts]


def _parts(table: Table, columns: list[list[str]], width: int | None) -> list[list[list[str]]]:
    """The aligned columns in parts that are at most ``width`` characters wide, if a single column is not wider."""
    words = len(list(takewhile(lambda column: not column.number, table.columns)))
    parts = [columns[:words]]
    for column in columns[words:]:
        if width and len(parts[-1]) > words and sum(2 + len(one[0]) for one in (*parts[-1], column)) > width:
            parts.append(columns[:words])
        parts[-1].append(column)
    return parts
