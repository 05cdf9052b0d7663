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
    """Estimates along a numeric axis, ascending, as lines with bands: one of each series at each x. ``log_x`` is a
    logarithmic axis, which has a tick at each x."""

    x: Sequence[float]
    series: Mapping[str, Sequence[Estimate]]
    log_x: bool = False


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
class Swarm:
    """Points of a cloud that look the same: those of one kind in one group, and the words for whoever points at one."""

    group: str
    kind: str
    points: Sequence[tuple[float, float]]
    words: Sequence[str]


@dataclass(frozen=True)
class Cloud:
    """Points on a plane on which only nearness counts, so it has no axes. A kind has a colour and a shape of its own.

    The points of the first group are faint, those of the second are outlines, and those of all others are filled.
    """

    swarms: Sequence[Swarm]

    @property
    def kinds(self) -> list[str]:
        """The kinds, each once."""
        return list(dict.fromkeys(swarm.kind for swarm in self.swarms))

    @property
    def groups(self) -> list[str]:
        """The groups, each once."""
        return list(dict.fromkeys(swarm.group for swarm in self.swarms))


@dataclass(frozen=True)
class Chart:
    """One chart: ``kind`` holds its data, ``note`` is small text below the title."""

    title: str
    x_label: str
    y_label: str
    kind: Points | Lines | Panels | Scatter | Matrix | Cloud
    note: str = ""
