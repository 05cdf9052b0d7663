"""A threshold is moved to a new domain by a handful of its photos, most of them good, without labels.

When light and camera drift, the scores of good parts move as a whole, and the threshold has to go with them. It keeps
the height above the median that it has on Val (``GoodScores.margin``). A median bears defects among the photos, but
each of them pushes it up a little. So the median is taken twice: the photos that would be alarms after the first time
are left out the second time, and so are those of Val's good images that are alarms. Where all photos are good, this
changes nothing on average.

A threshold that was chosen for several domains together may serve them already, if in none of them twice as many good
images are alarms as a margin promises. Then it goes no higher than it lies, unless the photos show that the median of
their domain lies above the highest of theirs, that is with the whole interval below: a margin above a median would
raise it where nothing has changed, and cost defects.

Scores of another domain may spread more widely, too, and the threshold has to rise with them: the height grows with the
median absolute deviation of the photos, as far as so few of them are to be believed. It never shrinks, since false
alarms are what was promised.

How far the median of the photos may lie from that of all further good parts is known exactly from their order alone,
whatever the distribution of the scores: the r-th lowest and the r-th highest of n scores hold the median between them
unless fewer than r scores fall on one of its sides, and n fair coins say how often that is (David & Nagaraja, *Order
Statistics*, 2003, section 7.1). The median of Val's good images is taken as known, since there are far more of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from adtrack.detectors.calibration import ADAPTED, GoodScores
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.good_parts import centred, promised_alarms, shared_threshold, spread_beyond
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.metrics import normal_scores
from adtrack.evaluation.photo_checks import (
    FAR,
    WIDE,
    check_alarms,
    check_counts,
    check_promise,
    check_spread,
    distance,
)


@dataclass(frozen=True)
class MovedThreshold:
    """A threshold before and after a move, and what the photos have told.

    By the photos' median alone, ``after`` lies between ``low`` and ``high`` with the probability ``level``. How little
    so few photos tell of their spread comes on top. ``medians`` are those of Val's good scores by the name of their
    set, and ``median`` is that of the photos' scores. ``promised`` is the share of Val's good images that are alarms:
    about as many good parts of the new domain will be. ``alarms_before`` and ``alarms_after`` count the photos that
    reach the threshold. ``distance`` says how far the photos' median is from the nearest of Val's: 1 is how far three
    quarters of Val's good scores lie from theirs at most.
    """

    before: float
    after: float
    low: float
    high: float
    level: float
    photos: int
    medians: Mapping[str, float]
    median: float
    promised: Estimate
    alarms_before: int
    alarms_after: int
    distance: float


def moved_threshold(good: GoodScores, before: float, scores: ArrayLike) -> MovedThreshold:
    """The threshold ``before`` of a model, moved to the domain of photos that have these scores.

    UserError: there are too few photos, the threshold is of no use on Val either, or the scores are no shifted scores
    of good parts.
    """
    photos = np.sort(normal_scores(scores))
    check_counts(len(photos), good)
    val, median = centred(good), float(np.median(photos))
    check_promise(good)
    promised = promised_alarms(good)
    unit = float(np.quantile(np.abs(val), 1 - FAR))
    medians = {name: float(np.median(some)) for name, some in good.scores.items()}
    away = distance(median, medians.values(), unit)
    check_spread(photos - median, WIDE * unit)
    kept, begin = _without_alarms(good, photos)
    low, high, level = median_interval(kept)
    after = begin(float(np.median(kept)))
    alarms, earlier = (int(np.count_nonzero(photos >= one)) for one in (after, before))
    check_alarms(alarms, len(photos), promised.value)
    return MovedThreshold(
        before,
        after,
        begin(low),
        begin(high),
        level,
        len(photos),
        medians,
        median,
        promised,
        earlier,
        alarms,
        away,
    )


def landing(good: GoodScores, scores: np.ndarray) -> float:
    """Where the threshold goes with these scores, whatever they are."""
    kept, begin = _without_alarms(good, scores)
    return begin(float(np.median(kept)))


def adapted(scorer: Scorer, good: GoodScores, scores: ArrayLike, origin: str) -> tuple[Scorer, MovedThreshold]:
    """The scorer with its threshold moved to the domain of photos that have these scores, and how it was moved.

    The new scorer says so of itself, and that it comes from ``origin``. UserError: see ``moved_threshold``.
    """
    moved = moved_threshold(good, scorer.calibration.threshold, scores)
    facts = {
        ADAPTED: story(moved, origin),
        "adapted_from": origin,
        "adapted_photos": str(moved.photos),
        "adapted_median": repr(moved.median),
        "threshold_before": repr(moved.before),
    }
    calibration = replace(scorer.calibration, threshold=moved.after, good=good)
    return replace(scorer, calibration=calibration, facts={**scorer.facts, **facts}), moved


def story(moved: MovedThreshold, origin: str) -> str:
    """Sentences on a move for whoever finds the model later."""
    medians = " and ".join(f"{value:.4g} (good images of {set_name(name)})" for name, value in moved.medians.items())
    went = f"went from {moved.before:.4g} to {moved.after:.4g}"
    if moved.after == moved.before:
        went = f"stays at {moved.after:.4g}, where it serves such scores already,"
    return (
        f"The threshold of {origin} {went} with {moved.photos} photos that "
        f"nobody labelled. {covered(moved)} The median of their scores is {moved.median:.4g}, and it was {medians}. "
        "Images have the same scores as before."
    )


def covered(moved: MovedThreshold) -> str:
    """A sentence on the interval of a moved threshold: what it covers, and what it does not."""
    return (
        f"By the median of all further good parts instead of that of these photos, the threshold would lie between "
        f"{moved.low:.4g} and {moved.high:.4g} with {100 * moved.level:.0f} % confidence; how widely their scores "
        "spread, and defects among the photos, are not in that."
    )


def median_interval(ascending: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """An interval that holds the median of what n ascending scores were drawn from, and the probability that it does.

    It is the narrowest one between the r-th lowest and the r-th highest score whose probability is ``level`` or more.
    Few scores do not reach the level: then it is the interval between the lowest and the highest one.
    """
    rank, held = _rank(len(ascending), level)
    return float(ascending[rank - 1]), float(ascending[len(ascending) - rank]), held


@lru_cache
def _rank(count: int, level: float) -> tuple[int, float]:
    """The r of ``median_interval``, and the probability of its interval."""
    from scipy.stats import binom  # half a second

    rank = max(1, int(binom.ppf((1 - level) / 2, count, 0.5)))
    return rank, 1 - 2 * float(binom.cdf(rank - 1, count, 0.5))


def _without_alarms(good: GoodScores, photos: np.ndarray) -> tuple[np.ndarray, Callable[[float], float]]:
    """The photos without those that are alarms a margin above the median of all, and where alarms begin by the median
    of these photos."""
    val = centred(good)
    scale = spread_beyond(photos, val)
    kept = photos[photos < np.median(photos) + scale * good.margin]
    height = scale * (good.margin - float(np.median(val[val < good.margin])))
    shared, wider = shared_threshold(good), spread_beyond(photos, *map(np.array, good.scores.values()))
    surely = median_interval(kept)[0]

    def begin(median: float) -> float:
        above = median + height
        if shared is None:
            return above
        threshold, highest = shared
        if surely <= highest:
            return min(above, threshold)
        return min(above, threshold + median - highest + (wider - 1) * (threshold - highest))

    return kept, begin
