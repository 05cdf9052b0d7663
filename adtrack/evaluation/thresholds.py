"""From which score on an image counts as anomalous."""

import math

import numpy as np
from numpy.typing import ArrayLike

from adtrack.errors import UserError
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.metrics import labelled_scores, normal_scores, score_quantile
from adtrack.threshold_spec import check_quantile

DEVIATIONS = 2.0  # standard deviations above the mean of good scores


def f1_threshold(scores: ArrayLike, labels: ArrayLike) -> float:
    """The threshold with the highest F1 on N scores and labels (1 = anomalous); an alarm is a score >= threshold.

    F1 is constant between two neighbouring distinct scores, so the middle of the best such interval is returned, as far
    as possible from either: compare with it in float64. Of several best intervals the widest is taken, and of equally
    wide ones the lowest. If it is best to call every image anomalous, the threshold is the lowest score. Raises
    UserError unless both classes are present and all scores finite.
    """
    values, anomalous = labelled_scores(scores, labels)
    if anomalous.all() or not anomalous.any():
        raise UserError(
            f"a threshold needs normal and anomalous images, but got {np.count_nonzero(~anomalous)} normal "
            f"and {np.count_nonzero(anomalous)} anomalous."
        )
    edges, group = np.unique(values, return_inverse=True)  # ascending
    alarms = np.cumsum(np.bincount(group)[::-1])[::-1]  # images with score >= edge
    hits = np.cumsum(np.bincount(group, weights=anomalous)[::-1])[::-1]
    f1 = 2 * hits / (alarms + np.count_nonzero(anomalous))
    # The edges are halved, as a difference or a sum of very large scores could overflow. Nothing lies below the lowest
    # edge: its width of 0 makes it lose against any interval with room on both sides.
    widths = np.diff(edges / 2, prepend=edges[0] / 2)
    best = np.flatnonzero(f1 == f1.max())
    chosen = best[np.argmax(widths[best])]
    if chosen == 0:
        return float(edges[0])
    below, above = edges[chosen - 1], edges[chosen]
    middle = below / 2 + above / 2
    return float(middle if below < middle else above)  # the middle of two adjacent floats can round to the lower


def good_threshold(scores: ArrayLike, quantile: float) -> float:
    """The threshold where no anomaly is labelled: the ``quantile`` of the scores (N) of good images.

    ``expected_false_alarms`` says what follows from it. If more scores are equal to the quantile than may reach the
    threshold (in a class of one picture all scores are 0), the threshold is the next number above. Otherwise all of
    these images would be alarms, and every further image like them. Raises UserError unless there are scores, all
    finite, and the quantile lies in (0, 1].
    """
    check_quantile(quantile)
    values = normal_scores(scores)
    threshold = score_quantile(values, quantile)
    lowest_above = math.ceil(_rank(len(values), quantile) - 1e-9)  # 20 · 0.95 may be above 19 by an ulp
    if np.count_nonzero(values >= threshold) > len(values) + 1 - lowest_above:
        return float(np.nextafter(threshold, np.inf))
    return threshold


def spread_threshold(scores: ArrayLike) -> float:
    """The threshold where no anomaly is labelled: ``DEVIATIONS`` standard deviations above the mean of the scores (N)
    of good images.

    Normally distributed scores lie below it in 97.7 % of all cases, others in 80 % or more (Cantelli's inequality). If
    all scores are equal, it is the next number above, so that these images pass. Raises UserError unless there are
    scores, all finite.
    """
    values = np.sort(normal_scores(scores))  # so that the last bits of the sums do not depend on the order
    if values[0] == values[-1]:
        return float(np.nextafter(values[0], np.inf))
    return float(values.mean() + DEVIATIONS * values.std())


def expected_false_alarms(count: int, quantile: float) -> Estimate:
    """The share of further good images that ``good_threshold`` of ``count`` good ones will call anomalous.

    The value is 1 - quantile, but at least 1 / (count + 1), as ``count`` images can tell no more; it holds on average
    over such sets of images. The interval holds 95 % of these sets' shares. Above the k-th lowest of n scores, whatever
    their distribution, lies a share that is distributed as Beta(n + 1 - k, k) (David & Nagaraja, *Order Statistics*,
    2003, section 2.1). For a threshold between two scores the interval reaches from the lower end of the upper one to
    the upper end of the lower one.
    """
    from scipy.stats import beta  # half a second, which only a class without anomalies needs

    rank = _rank(count, quantile)
    below, above = math.floor(rank), math.ceil(rank)
    low, high = beta.ppf(0.025, count + 1 - above, above), beta.ppf(0.975, count + 1 - below, below)
    return Estimate(1 - rank / (count + 1), float(low), float(high))


def images_needed(quantile: float) -> int:
    """How many good images it takes for the quantile to lie among their scores and not above them: n ≥ q / (1 - q).

    0 for quantile 1, which is the highest score of however many.
    """
    return math.ceil(quantile / (1 - quantile) - 1e-9) if quantile < 1 else 0  # 0.9 / (1 - 0.9) is above 9 by an ulp


def _rank(count: int, quantile: float) -> float:
    """The rank, from 1, of ``score_quantile`` among ``count`` ascending scores."""
    return min(max((count + 1) * quantile, 1.0), float(count))
