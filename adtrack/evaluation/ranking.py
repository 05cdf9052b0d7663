"""A ranking of several rows on the same images, which says what these images leave open.

One comparison in twenty errs if each has an interval of 95 %. A ranking of ten rows compares 45 pairs, so it would err
about twice. Its intervals therefore hold for all pairs together (Romano & Wolf, *Stepwise Multiple Testing as
Formalized Data Snooping*, Econometrica 2005), and the places that a row may have follow from them (Mogstad, Romano,
Shaikh & Wilhelm, *Inference for Ranks*, Review of Economic Studies 2024).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from adtrack.evaluation.intervals import Estimate, interval, paired, side, value_of
from adtrack.evaluation.resampling import RESAMPLES, Sample
from adtrack.evaluation.unseen import bounds, class_weights

_LEVEL = 0.95


@dataclass(frozen=True)
class Ranked:
    """A row in its place.

    ``value`` is its metric with an interval of its own, ``behind`` its metric minus that of the first row: an interval
    that holds together with those of all pairs (all three are 0 in the first row). These images leave the places from
    ``best`` to ``worst`` open. ``undecided`` names the rows that they cannot tell from it.
    """

    name: str
    value: Estimate
    behind: Estimate
    best: int
    worst: int
    undecided: tuple[str, ...]

    @property
    def places(self) -> str:
        """``1``, or ``1–3`` if these images leave the places open."""
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def ranking(
    rows: Mapping[str, Mapping[str, Sample]], metric: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Ranked]:
    """The rows, {name: {class: sample}}, from the highest ``metric`` on, which is the macro mean over their classes.

    All rows are of the same images in the same order. UserError: they are not. Rows of the same metric stay in their
    order.
    """
    values = {name: float(np.mean([value_of(one, metric) for one in some.values()])) for name, some in rows.items()}
    names = sorted(rows, key=lambda name: -values[name])
    found = _differences({name: rows[name] for name in names}, values, metric, resamples, seed)
    sides = {pair: side(difference) for pair, difference in found.items()}
    ranked = []
    for name in names:
        others = [other for other in names if other != name]
        better = sum(sides[name, other] == -1 for other in others)
        worse = sum(sides[name, other] == 1 for other in others)
        ranked.append(
            Ranked(
                name,
                interval(rows[name], metric, resamples=resamples, seed=seed),
                found.get((name, names[0]), Estimate(0.0, 0.0, 0.0)),
                1 + better,
                len(names) - worse,
                tuple(other for other in others if not sides[name, other]),
            )
        )
    return ranked


def _differences(
    rows: Mapping[str, Mapping[str, Sample]], values: Mapping[str, float], metric: str, resamples: int, seed: int
) -> dict[tuple[str, str], Estimate]:
    """The difference of every row to every other; each resample weighs the images alike for all rows."""
    first = next(iter(rows.values()))
    drawn = {name: class_weights(name, one.labels, metric, resamples, seed) for name, one in sorted(first.items())}
    ends = {}
    for row, samples in rows.items():
        paired(samples, first)
        ends[row] = np.mean([bounds(samples[name], metric, some) for name, some in drawn.items()], axis=0)
    pairs = list(combinations(rows, 2))
    if not pairs:
        return {}
    centres = np.array([values[a] - values[b] for a, b in pairs])
    # What was not seen is worst for one row and best for the other.
    contrasts = np.array([(ends[a][0] - ends[b][1], ends[a][1] - ends[b][0]) for a, b in pairs])
    half = half_widths(centres, contrasts.min(axis=1), contrasts.max(axis=1))
    found = {}
    for (a, b), centre, width in zip(pairs, centres.tolist(), half.tolist(), strict=True):
        found[a, b] = Estimate(centre, centre - width, centre + width)
        found[b, a] = Estimate(-centre, -centre - width, width - centre)
    return found


def half_widths(values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """How far the interval of each difference reaches to either side, float64 (p,).

    ``values`` (p,) are the differences, ``lows`` and ``highs`` (p, resamples) their ends in each resample. A spread is
    the root mean square of the farther end's distance from the value. All intervals reach the same number of spreads,
    so many that 95 % of the resamples lie within all of them.
    """
    farther = np.maximum(values[:, None] - lows, highs - values[:, None])
    spreads = np.sqrt(np.mean(farther**2, axis=1))
    in_spreads = np.divide(farther, spreads[:, None], out=np.zeros(farther.shape), where=spreads[:, None] > 0)
    return np.asarray(spreads * np.quantile(in_spreads.max(axis=0), _LEVEL))
