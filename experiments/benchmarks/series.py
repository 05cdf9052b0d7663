"""Times along a size that is doubled again and again, and the power law that they follow."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.charts import Chart, Lines

_TURNS, _ENOUGH = 5, 5.0  # each work is repeated five times, or until the repetitions took five seconds

Work = Callable[[], Any]


@dataclass(frozen=True)
class Series:
    """Seconds of ``what`` at ascending sizes ``along`` something: median, least and most of a few turns."""

    what: str
    along: str
    sizes: tuple[float, ...]
    times: tuple[Estimate, ...]

    @property
    def exponent(self) -> tuple[float, float]:
        """The b of seconds = a · size^b, and its standard error."""
        return power_law(self.sizes, [took.value for took in self.times])

    @property
    def title(self) -> str:
        """``greedy order, images: 1.62 ± 0.03``."""
        return "{}, {}: {:.2f} ± {:.2f}".format(self.what, self.along, *self.exponent)

    @property
    def doublings(self) -> list[Estimate]:
        """How often the times have doubled since the first."""
        first = self.times[0].value
        return [Estimate(*(math.log2(one / first) for one in (took.value, took.low, took.high))) for took in self.times]

    @property
    def rows(self) -> list[dict[str, str]]:
        """A row of plain text for each size."""
        fitted = dict(zip(("exponent", "error"), (f"{value:.4f}" for value in self.exponent), strict=True))
        names = {"what": self.what, "along": self.along}
        return [
            names
            | {"size": f"{size:g}"}
            | {name: f"{getattr(took, key):.6g}" for name, key in _COLUMNS.items()}
            | fitted
            for size, took in zip(self.sizes, self.times, strict=True)
        ]


_COLUMNS = {"seconds": "value", "least": "low", "most": "high"}


def power_law(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """The exponent b of times = a · sizes^b and its standard error (NaN for two points): ordinary least squares of
    log time on log size."""
    x, y = np.log(sizes), np.log(times)
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    return slope, math.sqrt(rest @ rest / (len(x) - 2) / (x @ x)) if len(x) > 2 else math.nan


def doubled(largest: float, doublings: int) -> tuple[float, ...]:
    """Sizes up to ``largest``, each twice the one before."""
    return tuple(largest / 2**left for left in range(doublings, -1, -1))


def measured(
    what: str, along: str, sizes: Sequence[float], work_of: Callable[[Any], Work]
) -> tuple[Series, dict[float, Any]]:
    """Time what ``work_of(size)`` does for each size, and what each gives; the first is done once before."""
    work_of(sizes[0])()
    times, results = [], {}
    for size in sizes:
        took, results[size] = _timed(work_of(size))
        times.append(took)
    return shown(Series(what, along, tuple(sizes), tuple(times))), results


def _timed(work: Work) -> tuple[Estimate, Any]:
    times: list[float] = []
    while len(times) < _TURNS and sum(times) < _ENOUGH:
        result = None  # so that memory never holds two
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return Estimate(statistics.median(times), min(times), max(times)), result


def shown(series: Series) -> Series:
    """The series, printed."""
    click.echo(series.title)
    for size, took in zip(series.sizes, series.times, strict=True):
        click.echo(f"  {size:10g} {took.value:12.4f} s   ({took.low:.4f} to {took.high:.4f})")
    return series


def chart(found: Sequence[Series], note: str) -> Chart:
    """Doublings of the time over doublings of the size: logarithmic both ways, so the exponent is the slope."""
    lines = {series.title: series.doublings for series in found}
    kind = Lines(list(range(len(found[0].sizes))), lines)
    return Chart("How the time grows", "doublings of the size", "doublings of the time", kind, note)
