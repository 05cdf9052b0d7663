"""What a chart shows, in plain text and numbers, whatever draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adtrack.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Points:
    """Estimates as points with error bars: one of each series in each category, NaN where there is none."""

    categories: Sequence[str]
    series: Mapping[str, Sequence[Estimate]]


@dataclass(frozen=True)
class Lines:
    """Estimates along a numeric axis, ascending, as lines with bands: one of each series at each x."""

    x: Sequence[float]
    series: Mapping[str, Sequence[Estimate]]


@dataclass(frozen=True)
class Panels:
    """Lines of the same series side by side, by the titles of their plots. All plots have one y axis."""

    plots: Mapping[str, Lines]


@dataclass(frozen=True)
class Spot:
    """A point of a scatter plot, the text beside it, and the words for whoever points at it (else its numbers)."""

    x: float
    y: float
    label: str = ""
    words: str = ""


@dataclass(frozen=True)
class Scatter:
    """Spots by series; ``diagonal`` draws x = y and gives both axes one range, ``log_x`` a logarithmic x axis."""

    series: Mapping[str, Sequence[Spot]]
    diagonal: bool = False
    log_x: bool = False


@dataclass(frozen=True)
class Matrix:
    """Numbers from 0 to 1 in cells, ``values[row][column]``; NaN where there is none."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Chart:
    """One chart: ``kind`` holds its data, ``note`` is small text below the title."""

    title: str
    x_label: str
    y_label: str
    kind: Points | Lines | Panels | Scatter | Matrix
    note: str = ""
