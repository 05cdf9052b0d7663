"""Where things go in a chart, in fractions of its axes: both ways of drawing agree on it."""

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.description import Lines, Points, Scatter, Spot

# An axis goes beyond its outermost values by this share of their range; the labels of a scatter plot need more room.
MARGIN, SCATTER_MARGIN = 0.06, 0.12
LEAST_SPREAD = 1e-6  # values that differ by less differ by rounding only
ALONE = 0.05  # how far an axis goes beyond values that are all but equal
LINE_GAP = 0.055  # the least distance between two names at the ends of lines
CHARACTER, LABEL = 0.014, 0.04  # width of a character and height of a label beside a spot
SPOT = 0.011  # half the width of a spot

Range = tuple[float, float]


def value_range(values: Iterable[float], share: float = MARGIN) -> Range:
    """The finite values with a margin; (0, 1) if there are none. Values that are all but equal get room on both sides,
    but above 1 only a little if they are shares."""
    finite = [float(value) for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if high - low > LEAST_SPREAD:
        margin = share * (high - low)
        return low - margin, high + margin
    return low - ALONE, min(high + ALONE, 1 + ALONE / 10) if high <= 1 else high + ALONE


def estimates_range(*kinds: Points | Lines) -> Range:
    """The y axis of points or lines, their intervals included; several plots have one axis."""
    found = chain.from_iterable(chain.from_iterable(kind.series.values()) for kind in kinds)
    return value_range(chain.from_iterable((one.value, one.low, one.high) for one in found))


def scatter_ranges(kind: Scatter) -> tuple[Range, Range]:
    """The x and the y axis; x in log10 where it is logarithmic."""
    spots = list(chain.from_iterable(kind.series.values()))
    x, y = [across(kind, spot) for spot in spots], [spot.y for spot in spots]
    if kind.diagonal:
        x = y = x + y
    return value_range(x, SCATTER_MARGIN), value_range(y, SCATTER_MARGIN)


def across(kind: Scatter, spot: Spot) -> float:
    """The spot's place on the x axis; NaN where a logarithm has none."""
    if not kind.log_x:
        return spot.x
    return math.log10(spot.x) if spot.x > 0 else math.nan


def log_ticks(x_range: Range) -> list[float]:
    """1, 2 and 5 of each decade in the range, given in log10; more in a short range, 1 alone in a long one.

    A range that holds fewer than two of them has even steps.
    """
    decades = x_range[1] - x_range[0]
    steps = (1,) if decades > 4 else (1, 2, 5) if decades > 0.7 else range(1, 10)
    ticks = (step * 10.0**decade for decade in range(math.floor(x_range[0]), math.ceil(x_range[1])) for step in steps)
    found = [tick for tick in ticks if x_range[0] <= math.log10(tick) <= x_range[1]]
    return found if len(found) > 1 else _even_ticks(10 ** x_range[0], 10 ** x_range[1])


def _even_ticks(low: float, high: float) -> list[float]:
    """Multiples of the largest step (1, 2 or 5 of a decade) that has three of them in the range: six at most."""
    decade = 10.0 ** math.floor(math.log10(high - low))
    for step in (5 * decade, 2 * decade, decade, decade / 2, decade / 5):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first >= 2:
            break
    return [round(place * step, 12) for place in range(first, last + 1)]


def dodged(index: int, series: int) -> float:
    """How far a series stands from the middle of its category, categories being 1 apart."""
    return (index - (series - 1) / 2) * min(0.7 / series, 0.18)


def error_bars(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Lengths below and above the values; 0 where there is no interval, or it lies all on the other side."""
    below = [one.value - one.low for one in estimates]
    above = [one.high - one.value for one in estimates]
    return [[0.0 if math.isnan(length) else max(length, 0.0) for length in side] for side in (below, above)]


def line_ends(kind: Lines, y_range: Range) -> dict[str, float]:
    """The height of each series' name right of the plot, 0 (bottom) to 1: at its line's end, or as near as fits."""
    low, high = y_range
    ends = {}
    for name, estimates in kind.series.items():
        finite = [one.value for one in estimates if math.isfinite(one.value)]
        if finite:
            ends[name] = (finite[-1] - low) / (high - low)
    return spread(ends)


def spread(heights: Mapping[str, float]) -> dict[str, float]:
    """The heights moved as little as a pass up and a pass down can, so that names do not overlap."""
    names = sorted(heights, key=heights.__getitem__)
    placed = [heights[name] for name in names]
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + LINE_GAP)
    overflow = max(placed[-1] - 1, 0) if placed else 0
    for index in range(len(placed) - 1, -1, -1):
        ceiling = placed[index + 1] - LINE_GAP if index + 1 < len(placed) else placed[index] - overflow
        placed[index] = min(placed[index], ceiling)
    return dict(zip(names, placed, strict=True))


def label_sides(kind: Scatter) -> dict[str, list[str]]:
    """For each spot the side of its label: the first where it covers nothing, right if there is none."""
    (x_low, x_high), (y_low, y_high) = scatter_ranges(kind)
    places = {
        name: [((across(kind, s) - x_low) / (x_high - x_low), (s.y - y_low) / (y_high - y_low)) for s in spots]
        for name, spots in kind.series.items()
    }
    taken = [(x - SPOT, y - 1.5 * SPOT, x + SPOT, y + 1.5 * SPOT) for x, y in chain.from_iterable(places.values())]
    sides: dict[str, list[str]] = {}
    for name, spots in kind.series.items():
        sides[name] = []
        for spot, place in zip(spots, places[name], strict=True):
            boxes = _label_boxes(*place, len(spot.label) * CHARACTER)
            free = (side for side, box in boxes.items() if _inside(box) and not any(_meet(box, old) for old in taken))
            side = next(free, "right")
            taken.append(boxes[side])
            sides[name].append(side)
    return sides


Box = tuple[float, float, float, float]


def _label_boxes(x: float, y: float, width: float) -> dict[str, Box]:
    """Left, bottom, right and top of a label on each side of a spot."""
    beside, below, above = LABEL / 2, y - 1.7 * SPOT - LABEL, y + 1.7 * SPOT
    left, middle, right = x - 1.1 * SPOT - width, x - width / 2, x + 1.1 * SPOT
    corners = {
        **{"right": (right, y - beside), "left": (left, y - beside), "top": (middle, above), "bottom": (middle, below)},
        **{"top right": (right, above), "top left": (left, above)},
        **{"bottom right": (right, below), "bottom left": (left, below)},
    }
    return {side: (x, y, x + width, y + LABEL) for side, (x, y) in corners.items()}


def _inside(box: Box) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= 1 and box[3] <= 1


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` characters; its own line breaks do not count.

    A name that is too long for a line breaks after ``_`` and ``/`` where it can.
    """
    return textwrap.wrap(" ".join(piece for word in text.split() for piece in _pieces(word, width)), width) or [""]


def _pieces(word: str, width: int) -> list[str]:
    if len(word) <= width:
        return [word]
    pieces = [""]
    for part in re.split(r"(?<=[_/])", word):
        if pieces[-1] and len(pieces[-1] + part) > width:
            pieces.append("")
        pieces[-1] += part
    return pieces
