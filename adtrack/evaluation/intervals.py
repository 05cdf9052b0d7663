"""How sure a metric of a small test set is: 95 % intervals, which are paired if two rows share their images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adtrack.errors import UserError
from adtrack.evaluation.resampling import RESAMPLES, SHARES, Sample, class_draws, counts, resampled
from adtrack.evaluation.unseen import bounds, class_weights, weights

ROUNDING = 1e-12  # means of differences that cancel are not exactly 0


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; all three are NaN where it is undefined."""

    value: float
    low: float
    high: float


def value_of(sample: Sample, metric: str) -> float:
    """The metric of all images, each taken once."""
    once_each = np.ones((1, len(sample.labels)), dtype=np.int64)
    return float(resampled(sample, metric, once_each)[0])


def interval(rows: Mapping[str, Sample], metric: str, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """``metric`` of one row: of its class, or the unweighted (macro) mean over its classes, as {class name: sample}.

    If the metric is a share and there is one class, its 95 % interval is the exact one. Otherwise it is made of
    ``unseen`` resamples, which are independent in each class, and so it has a width however well all images were
    judged. A metric that is undefined in one class has no mean: a mean over fewer classes is another quantity.
    """
    classes = _classes(rows)
    values = [value_of(rows[name], metric) for name in classes]
    if len(classes) == 1 and metric in SHARES:
        return _exact(values[0], *counts(rows[classes[0]], metric))
    drawn = (class_weights(name, rows[name].labels, metric, resamples, seed) for name in classes)
    return _estimate(values, (bounds(rows[name], metric, one) for name, one in zip(classes, drawn, strict=True)))


def difference(
    rows_a: Mapping[str, Sample],
    rows_b: Mapping[str, Sample],
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """``metric`` of row a minus that of row b on the same images in the same order, as in ``interval``.

    Each resample weighs the images alike for both rows (paired). What was not seen is worst for one row and best for
    the other. So it takes many images until rows without any difference are called equal. Raises UserError if classes
    or labels differ.
    """
    pairs = {name: (rows_a[name], rows_b[name]) for name in paired(rows_a, rows_b)}
    values = [value_of(a, metric) - value_of(b, metric) for a, b in pairs.values()]
    drawn = (class_weights(name, a.labels, metric, resamples, seed) for name, (a, _) in pairs.items())
    return _estimate(values, (contrasted(*pair, metric, one) for pair, one in zip(pairs.values(), drawn, strict=True)))


def share_higher(
    rows_a: Mapping[str, Sample],
    rows_b: Mapping[str, Sample],
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """The share of bootstrap resamples in which row a's ``metric`` is higher; a tie counts one half.

    Both rows have the same resamples. Unlike ``difference`` the share speaks of images like these, and not of those
    that were never seen. It is NaN if the difference is undefined. Both rows' shares add up to 1, so it serves metrics
    as well whose lower values are better.
    """
    differences = []
    for name in paired(rows_a, rows_b):
        draws = class_draws(name, rows_a[name].labels, resamples, seed)
        differences.append(resampled(rows_a[name], metric, draws) - resampled(rows_b[name], metric, draws))
    found = np.mean(differences, axis=0)
    if np.isnan(found).any():
        return float("nan")
    wins, losses = np.count_nonzero(found > ROUNDING), np.count_nonzero(found < -ROUNDING)
    return (len(found) + wins - losses) / (2 * len(found))


def side(found: Estimate) -> int | None:
    """1 if the interval of a difference lies above 0, -1 if it lies below, 0 if it holds 0 or ends there.

    None if the difference or its interval is undefined.
    """
    if np.isnan(found.value) or np.isnan(found.low):
        return None
    return int(found.low > ROUNDING) - int(found.high < -ROUNDING)


def in_words(found: Estimate) -> str:
    """What the interval of a difference says about 0."""
    where = side(found)
    words = {0: "the interval holds 0", 1: "the interval lies above 0", -1: "the interval lies below 0"}
    return "undefined" if where is None else words[where]


def auroc_interval(
    scores: ArrayLike, labels: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """The interval of the image AUROC of N scores and labels (1 = anomalous), made of ``unseen`` resamples.

    It is (NaN, NaN) if only one class is present. The same images in the same order and the same seed give the same
    bits.
    """
    if resamples < 1 or not 0 < level < 1:
        raise UserError(f"resamples must be at least 1 and level in (0, 1), but got {resamples} and {level}.")
    sample, metric = Sample(np.asarray(scores), np.asarray(labels), threshold=0.0), "image_auroc"
    value = value_of(sample, metric)
    if np.isnan(value):
        return value, value
    found = _estimate([value], [bounds(sample, metric, weights(sample.labels, metric, resamples, seed))], level)
    return found.low, found.high


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of the share of which ``hits`` in ``count`` independent images tell (Clopper & Pearson,
    1934)."""
    if not 0 <= hits <= count or not count:
        raise UserError(f"hits must lie between 0 and a count of at least 1, but got {hits} of {count}.")
    from scipy.stats import binomtest  # half a second, which nobody should wait for before images are read

    found = binomtest(hits, count).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def contrasted(a: Sample, b: Sample, metric: str, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row a's metric minus row b's in each resample: if the unseen is bad for a and good for b, and vice versa."""
    (worst_a, best_a), (worst_b, best_b) = bounds(a, metric, drawn), bounds(b, metric, drawn)
    return worst_a - best_b, best_a - worst_b


def _estimate(values: list[float], ends: Iterable[tuple[np.ndarray, np.ndarray]], level: float = 0.95) -> Estimate:
    """The mean of the classes' values, and the outer quantiles of the means of their resamples at either end.

    ``ends`` are asked for only if the values are defined.
    """
    value = float(np.mean(values))
    if np.isnan(value):
        return Estimate(value, value, value)
    one, other = (np.mean(side, axis=0) for side in zip(*ends, strict=True))
    low = float(np.quantile(np.minimum(one, other), (1 - level) / 2))
    high = float(np.quantile(np.maximum(one, other), (1 + level) / 2))
    return Estimate(value, min(value, low), max(value, high))


def _exact(value: float, hits: int, count: int) -> Estimate:
    """A share with its exact interval. If it is of no image at all, the interval is all of [0, 1]."""
    if np.isnan(value):
        return Estimate(value, value, value)
    return Estimate(value, *(share_interval(hits, count) if count else (0.0, 1.0)))


def _classes(rows: Mapping[str, Sample]) -> list[str]:
    """The classes in one order, as sums of floats depend on it."""
    if not rows:
        raise UserError("a row needs at least one class, but got none.")
    return sorted(rows)


def paired(rows_a: Mapping[str, Sample], rows_b: Mapping[str, Sample]) -> list[str]:
    classes, others = _classes(rows_a), _classes(rows_b)
    if classes != others:
        raise UserError(f"paired rows must have the same classes, but got {classes} and {others}.")
    for name in classes:
        if not np.array_equal(rows_a[name].labels, rows_b[name].labels):
            raise UserError(
                f"paired rows must be of the same images in the same order, but the labels of {name} differ.",
                "Compare rows of one test set, clean or shifted.",
            )
    return classes
