"""Tables as files, and estimates as the text of their cells."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.render import MISSING, Table, latex, markdown, page, write_text


def write_report(
    name: str, frame: pd.DataFrame, tables: Sequence[Table], folder: Path, *, title: str | None = None, below: str = ""
) -> list[Path]:
    """Writes <name>.csv (``frame``, full precision), .md, .tex and .html (``tables``, rounded).

    The paths come in that order. ``title`` is the HTML page's; without one it is the name in words; ``below`` is HTML
    to stand below its tables. LaTeX labels are tab:<name>-1 and so on.
    """
    texts = {
        "csv": frame.to_csv(index=False, lineterminator="\n"),
        "md": markdown(tables),
        "tex": latex(tables, name.replace("_", "-")),
        "html": page(tables, title or name.replace("_", " ").capitalize(), below),
    }
    return [write_text(Path(folder) / f"{name}.{suffix}", text) for suffix, text in texts.items()]


def plain_table(table: Table) -> str:
    """The table's cells in aligned columns, for a terminal."""
    texts = (tuple(column.heading for column in table.columns), *table.rows)
    rows = [tuple(" ".join(text.split()) for text in row) for row in texts]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, table.columns, strict=True)
        lines.append(
            "  ".join(cell.rjust(width) if column.number else cell.ljust(width) for cell, width, column in cells)
        )
    return "\n".join(f"  {line}".rstrip() for line in lines)


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
