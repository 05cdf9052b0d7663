"""A table of plain text, and numbers as the text of its cells."""

import math
from dataclasses import dataclass

from adtrack.evaluation.intervals import Estimate

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A column's heading, where ``\\n`` breaks the line, and whether it holds numbers (then it is right-aligned)."""

    heading: str
    number: bool = True


@dataclass(frozen=True)
class Table:
    """Rows of plain text under a title, with notes below. ``best`` holds the indices of the rows to highlight."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: str
    best: frozenset[int] = frozenset()


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
