"""What a threshold is worth that was moved to shifted images by a handful of them, whose labels are not used."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adtrack.detectors.calibration import GoodScores
from adtrack.errors import UserError
from adtrack.evaluation.adapting import moved_threshold
from adtrack.evaluation.calibrating import good_scores
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.resampling import Sample, class_seed
from adtrack.lab.cell import Cell
from adtrack.threshold_spec import BY_F1, ThresholdSpec

PHOTOS, DEFECTS, HANDFULS = 16, 2, 20
MOVED_METRICS = ("false_alarm_rate", "recall")


@dataclass(frozen=True, eq=False)
class Handfuls:
    """What follows from each of HANDFULS moves, by different handfuls: shares float64 (HANDFULS,), NaN where the images
    were refused.

    The images that have moved a threshold are not judged by it. ``promised`` is the share of false alarms that every
    move promised; NaN if all were refused.
    """

    false_alarm_rate: np.ndarray
    recall: np.ndarray
    promised: float


def handfuls(cell: Cell, class_name: str, threshold_from: Sequence[str], test: str) -> Handfuls:
    """The threshold that is best on the sets ``threshold_from`` together, moved to ``test``.

    A handful holds PHOTOS images, DEFECTS of them defects, but never more than half of the good images or of the
    others. The seed of a handful is its number and the class.
    """
    val = [cell.scores(class_name, name) for name in threshold_from]
    before = cell.judged(class_name, threshold_from, test)
    good = good_scores({one.name: (one.scores, one.labels) for one in val}, ThresholdSpec(threshold_from=BY_F1))
    found = [_moved(good, before, class_seed(class_name, turn)) for turn in range(HANDFULS)]
    alarms, recall, promised = (np.array(shares) for shares in zip(*found, strict=True))
    return Handfuls(alarms, recall, float(max(promised, key=lambda share: not np.isnan(share))))


def moved_estimate(found: Sequence[Handfuls], metric: str) -> Estimate:
    """The mean over the handfuls, and the range that holds 95 % of them if at most half were refused.

    Of several sets it is the mean of their means, which has no range: what is refused differs between the sets. All are
    NaN if a set has no handful that was not refused.
    """
    known = [shares[~np.isnan(shares)] for shares in (getattr(one, metric) for one in found)]
    if not all(map(len, known)):
        return Estimate(np.nan, np.nan, np.nan)
    value = float(np.mean([shares.mean() for shares in known]))
    if len(known) > 1 or len(known[0]) < HANDFULS / 2:
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(known[0], (0.025, 0.975))
    return Estimate(value, float(low), float(high))


def refused_share(found: Sequence[Handfuls]) -> float:
    """The share of handfuls that were refused."""
    return float(np.mean([np.isnan(one.recall) for one in found]))


def _moved(good: GoodScores, before: Sample, seed: int) -> tuple[float, float, float]:
    """False alarms and recall among the images that a handful leaves, and the promised share of false alarms."""
    rng = np.random.default_rng(seed)
    normal, anomalous = (rng.permutation(np.flatnonzero(before.labels == label)) for label in (False, True))
    first, second = min(PHOTOS - DEFECTS, len(normal) // 2), min(DEFECTS, len(anomalous) // 2)
    try:
        chosen = np.concatenate([normal[:first], anomalous[:second]])
        moved = moved_threshold(good, before.threshold, before.scores[chosen])
    except UserError:
        return np.nan, np.nan, np.nan
    alarms = before.scores >= moved.after
    left = alarms[normal[first:]], alarms[anomalous[second:]]
    return float(left[0].mean()), float(left[1].mean()), moved.promised.value
