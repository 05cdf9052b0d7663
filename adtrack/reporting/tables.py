"""Tables as files, and estimates as the text of their cells."""

import math
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import pandas as pd

from adtrack.evaluation.intervals import Estimate
from adtrack.naming import csv_cell, visible
from adtrack.reporting.render import MISSING, Table, latex, markdown, page, write_text


def write_report(
    name: str, frame: pd.DataFrame, tables: Sequence[Table], folder: Path, *, title: str | None = None, below: str = ""
) -> list[Path]:
    """Writes <name>.csv (``frame``, full precision), .md, .tex and .html (``tables``, rounded).

    The paths come in that order. ``title`` is the HTML page's; without one it is the name in words; ``below`` is HTML
    to stand below its tables. LaTeX labels are tab:<name>-1 and so on.
    """
    texts = {
        "csv": csv_text(frame),
        "md": markdown(tables),
        "tex": latex(tables, name.replace("_", "-")),
        "html": page(tables, title or name.replace("_", " ").capitalize(), below),
    }
    return [write_text(Path(folder) / f"{name}.{suffix}", text) for suffix, text in texts.items()]


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV in full precision; no text in it is a formula to a spreadsheet (``naming.csv_cell``)."""
    safe = frame.map(lambda value: csv_cell(value) if isinstance(value, str) else value)
    return safe.rename(columns=csv_cell).to_csv(index=False, lineterminator="\n")


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


def number_text(value: float, decimals: int = 3) -> str:
    """``0.948``, with a true minus sign; MISSING for NaN."""
    return MISSING if math.isnan(value) else _minus(f"{_no_minus_zero(value, decimals):.{decimals}f}")


def estimate_text(estimate: Estimate, decimals: int = 3) -> str:
    """``0.948 [0.929, 0.964]``; the value alone where it has no interval, MISSING where it is NaN."""
    value, low, high = (number_text(part, decimals) for part in (estimate.value, estimate.low, estimate.high))
    return value if MISSING in (value, low, high) else f"{value} [{low}, {high}]"


def difference_text(difference: Estimate, decimals: int = 3) -> str:
    """``−0.330 [−0.380, −0.281]``, ``+0.012 [−0.003, +0.030]``; what rounds to 0 has no sign. MISSING for NaN."""
    value, low, high = (_signed(part, decimals) for part in (difference.value, difference.low, difference.high))
    return value if MISSING in (value, low, high) else f"{value} [{low}, {high}]"


def _signed(value: float, decimals: int) -> str:
    text = number_text(value, decimals)
    return f"+{text}" if round(value, decimals) > 0 else text


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _no_minus_zero(value: float, decimals: int) -> float:
    return value if round(value, decimals) else 0.0
