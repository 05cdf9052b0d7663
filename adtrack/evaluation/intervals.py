"""How sure a metric of a small test set is: bootstrap intervals, paired where two rows share their images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from adtrack.errors import UserError
from adtrack.evaluation.resampling import RESAMPLES, Sample, class_draws, resampled, stratified_draws

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

    The interval holds 95 % of the (macro mean) metrics of the resamples (percentile bootstrap), classes being
    drawn independently. Undefined in one class is undefined: a mean over fewer classes is another quantity.
    """
    classes = _classes(rows)
    values = [value_of(rows[name], metric) for name in classes]
    draws = [class_draws(name, rows[name].labels, resamples, seed) for name in classes]
    return _macro(values, [resampled(rows[name], metric, drawn) for name, drawn in zip(classes, draws, strict=True)])


def difference(
    rows_a: Mapping[str, Sample],
    rows_b: Mapping[str, Sample],
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """``metric`` of row a minus that of row b on the same images in the same order, as in ``interval``.

    Each resample draws the same images for both rows (paired bootstrap). Raises UserError where classes or labels
    differ.
    """
    return _macro(*_paired_differences(rows_a, rows_b, metric, resamples, seed))


def share_higher(
    rows_a: Mapping[str, Sample],
    rows_b: Mapping[str, Sample],
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """The share of the resamples of ``difference`` in which row a's ``metric`` is higher, ties one half.

    NaN where the difference is undefined. As both rows' shares add up to 1, it serves metrics where lower is better.
    """
    _, differences = _paired_differences(rows_a, rows_b, metric, resamples, seed)
    found = np.mean(differences, axis=0)
    if np.isnan(found).any():
        return float("nan")
    wins, losses = np.count_nonzero(found > ROUNDING), np.count_nonzero(found < -ROUNDING)
    return (len(found) + wins - losses) / (2 * len(found))


def side(found: Estimate) -> int | None:
    """Where the interval of a difference lies: 1 above 0, -1 below, 0 holds it, as one that ends there does.

    None where the difference or its interval is undefined.
    """
    if np.isnan(found.value) or np.isnan(found.low):
        return None
    return int(found.low > ROUNDING) - int(found.high < -ROUNDING)


def in_words(found: Estimate) -> str:
    """What the interval of a difference says about 0."""
    words = {0: "the interval holds 0", 1: "the interval lies above 0", -1: "the interval lies below 0"}
    return words.get(side(found), "undefined")


def auroc_interval(
    scores: Sequence[float], labels: Sequence[int], *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the image AUROC of N scores and labels (1 = anomalous).

    (NaN, NaN) where only one class is present. The same images in the same order and the same seed give the same bits.
    """
    if resamples < 1 or not 0 < level < 1:
        raise UserError(f"resamples must be at least 1 and level in (0, 1), but got {resamples} and {level}.")
    sample = Sample(scores, labels, threshold=0.0)
    low, high = _ends(resampled(sample, "image_auroc", stratified_draws(sample.labels, resamples, seed)), level)
    return float(low), float(high)


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of the share behind ``hits`` of ``count`` independent images (Clopper & Pearson, 1934)."""
    if not 0 <= hits <= count or not count:
        raise UserError(f"hits must lie between 0 and a count of at least 1, but got {hits} of {count}.")
    low = betaincinv(hits, count - hits + 1, 0.025) if hits else 0.0
    high = betaincinv(hits + 1, count - hits, 0.975) if hits < count else 1.0
    return float(low), float(high)


def _paired_differences(
    rows_a: Mapping[str, Sample], rows_b: Mapping[str, Sample], metric: str, resamples: int, seed: int
) -> tuple[list[float], list[np.ndarray]]:
    """Row a's metric minus row b's in each class: of all images, and of each resample, which both rows share."""
    values, differences = [], []
    for name in _paired(rows_a, rows_b):
        a, b = rows_a[name], rows_b[name]
        draws = class_draws(name, a.labels, resamples, seed)
        values.append(value_of(a, metric) - value_of(b, metric))
        differences.append(resampled(a, metric, draws) - resampled(b, metric, draws))
    return values, differences


def _macro(values: list[float], resamples: list[np.ndarray]) -> Estimate:
    """The means over classes of the values and of each resample."""
    low, high = _ends(np.mean(resamples, axis=0), 0.95)
    return Estimate(float(np.mean(values)), float(low), float(high))


def _ends(resamples: np.ndarray, level: float) -> np.ndarray:
    """The middle ``level`` of the resamples; NaN if one is: they all are, since all keep both numbers of images."""
    return np.quantile(resamples, [(1 - level) / 2, (1 + level) / 2])


def _classes(rows: Mapping[str, Sample]) -> list[str]:
    """In one order, whatever the mapping's: sums of floats depend on it."""
    if not rows:
        raise UserError("a row needs at least one class, but got none.")
    return sorted(rows)


def _paired(rows_a: Mapping[str, Sample], rows_b: Mapping[str, Sample]) -> list[str]:
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
