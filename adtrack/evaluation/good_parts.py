"""What the scores of Val's good images tell of thresholds: how far they spread, and how many of them are alarms."""

from functools import lru_cache

import numpy as np

from adtrack.detectors.calibration import GoodScores
from adtrack.evaluation.intervals import Estimate, share_interval

_CAUTION = 4  # n photos are believed as n in n + this, where they spread more widely than Val's good scores
_SERVES = 2  # times as many alarms as a margin promises: with more, a threshold does not serve a domain


def centred(good: GoodScores) -> np.ndarray:
    """How far each of Val's good scores lies above the median of its set."""
    return np.concatenate([np.array(some) - np.median(some) for some in good.scores.values()])


def spread_beyond(photos: np.ndarray, *known: np.ndarray) -> float:
    """How many times as widely as the widest of some known sets of good scores those of the photos spread, as far as it
    is to be believed."""
    found, *spreads = (float(np.median(np.abs(some - np.median(some)))) for some in (photos, *known))
    usual = max(spreads)
    return max(1.0, found / usual) ** (len(photos) / (len(photos) + _CAUTION)) if usual else 1.0


def promised_alarms(good: GoodScores) -> Estimate:
    """The share of Val's good images that are alarms, a margin above the median of their own set.

    Where the threshold of several sets serves them all, it is the share in that set which has the most alarms at it,
    if that is more.
    """
    counts = [alarms_by_margin(good), *(_at_threshold(good) if shared_threshold(good) else [])]
    alarms, count = max(counts, key=lambda one: one[0] / one[1])
    return Estimate(alarms / count, *_ends(alarms, count))


def alarms_by_margin(good: GoodScores) -> tuple[int, int]:
    """How many of Val's good images are alarms, a margin above the median of their own set, and how many there are."""
    val = centred(good)
    return int(np.count_nonzero(val >= good.margin)), len(val)


def _at_threshold(good: GoodScores) -> list[tuple[int, int]]:
    """How many good images of each set are alarms at the threshold that several sets have, and how many there are."""
    threshold = np.inf if good.threshold is None else good.threshold
    return [(sum(one >= threshold for one in some), len(some)) for some in good.scores.values()]


@lru_cache
def _ends(alarms: int, count: int) -> tuple[float, float]:
    return share_interval(alarms, count)


def shared_threshold(good: GoodScores) -> tuple[float, float] | None:
    """The threshold of several sets, and the highest of their medians without alarms; None if it does not serve all of
    them."""
    alarms, count = alarms_by_margin(good)
    most = min(_SERVES * alarms / count, 0.5)
    if good.threshold is None or any(some >= most * every for some, every in _at_threshold(good) if some):
        return None
    passing = [[one for one in some if one < good.threshold] for some in good.scores.values()]
    return good.threshold, max(float(np.median(some)) for some in passing)
