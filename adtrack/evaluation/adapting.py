"""A threshold is moved to a new domain by a handful of its photos, most of them good, without labels.

When light and camera drift, the scores of good parts move as a whole, and the threshold has to go with them. It keeps
the height above the median that it has on Val (``GoodScores.margin``). A median bears defects among the photos, but
each of them pushes it up a little. So the median is taken twice: the photos that would be alarms after the first time
are left out the second time, and so are those of Val's good images that are alarms. Where all photos are good, this
changes nothing on average.

Scores of another domain may spread more widely, too, and the threshold has to rise with them: the height grows with the
median absolute deviation of the photos, as far as so few of them are to be believed. It never shrinks, since false
alarms are what was promised.

How far the median of the photos may lie from that of all further good parts is known exactly from their order alone,
whatever the distribution of the scores: the r-th lowest and the r-th highest of n scores hold the median between them
unless fewer than r scores fall on one of its sides, and n fair coins say how often that is (David & Nagaraja, *Order
Statistics*, 2003, section 7.1). The median of Val's good images is taken as known, since there are far more of them.

No shift of good scores explains photos of which too many are alarms even at the moved threshold, or lie too far from
their own median. How many are too many is counted by the binomial distribution: good photos, with an eighth of defects
among them where alarms are counted, would give more in one case of a hundred.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from adtrack.detectors.calibration import ADAPTED, GoodScores
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.intervals import Estimate, share_interval
from adtrack.evaluation.metrics import normal_scores

FEWEST = 4  # photos
BORNE = 1 / 8  # of the photos may be defects
_SURE = 0.99  # of good photos are not refused by either count
_CAUTION = 4  # n photos are believed as n in n + this, where they spread more widely than Val's good scores
_WIDE = 1.5  # times as far as Val's good scores may a quarter of the photos lie from their median
_FAR = 0.25  # of Val's good images lie farther from their median: their distance is the unit of moves
FARTHEST = 20  # units that a median may move; drift that a ranking outlives has not moved one by more than 7
_MORE = "take more photos of good parts as they come"


@dataclass(frozen=True)
class MovedThreshold:
    """A threshold before and after a move, and what the photos have told.

    By the photos' median alone, ``after`` lies between ``low`` and ``high`` with the probability ``level``. How little
    so few photos tell of their spread comes on top. ``medians`` are those of Val's good scores by the name of their
    set, and ``median`` is that of the photos' scores. ``promised`` is the share of Val's good images that are alarms,
    each in its own domain: about as many good parts of the new domain will be. ``alarms_before`` and ``alarms_after``
    count the photos that reach the threshold. ``distance`` says how far the photos' median is from the nearest of
    Val's: 1 is how far three quarters of Val's good scores lie from theirs at most.
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
    _check_counts(len(photos), good)
    val, median = centred(good), float(np.median(photos))
    promised = _promised(val, good.margin)
    unit = float(np.quantile(np.abs(val), 1 - _FAR))
    medians = {name: float(np.median(some)) for name, some in good.scores.items()}
    distance = _distance(median, medians.values(), unit)
    _check_spread(photos - median, _WIDE * unit)
    kept, height = _without_alarms(good, photos)
    low, high, level = median_interval(kept)
    after = float(np.median(kept)) + height
    alarms, earlier = (int(np.count_nonzero(photos >= one)) for one in (after, before))
    _check_alarms(alarms, len(photos), promised.value)
    return MovedThreshold(
        before,
        after,
        low + height,
        high + height,
        level,
        len(photos),
        medians,
        median,
        promised,
        earlier,
        alarms,
        distance,
    )


def landing(good: GoodScores, scores: np.ndarray) -> float:
    """Where the threshold goes with these scores, whatever they are."""
    kept, height = _without_alarms(good, scores)
    return float(np.median(kept)) + height


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
    return (
        f"The threshold of {origin} went from {moved.before:.4g} to {moved.after:.4g} with {moved.photos} photos that "
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


def _check_counts(photos: int, good: GoodScores) -> None:
    """Refuse too few photos, and too few images of Val: a median of three says nothing."""
    if photos < FEWEST:
        raise UserError(
            f"a threshold must be moved by at least {FEWEST} different photos, but got {photos}.",
            "16 tell about where it lies; 32 tell more exactly.",
        )
    name, some = min(good.scores.items(), key=lambda item: len(item[1]))
    if len(some) < FEWEST:
        raise UserError(
            f"a threshold must come from at least {FEWEST} good images of Val to be moved, but {set_name(name)} has "
            f"{len(some)}.",
            f"a fifth of the good images for training go to Val: {5 * FEWEST} give it {FEWEST}.",
        )


def centred(good: GoodScores) -> np.ndarray:
    """How far each of Val's good scores lies above the median of its set."""
    return np.concatenate([np.array(some) - np.median(some) for some in good.scores.values()])


def _without_alarms(good: GoodScores, photos: np.ndarray) -> tuple[np.ndarray, float]:
    """The photos without those that are alarms a margin above the median of all, and how high the threshold is above
    the median of these photos."""
    val = centred(good)
    scale = _scale(photos, val)
    kept = photos[photos < np.median(photos) + scale * good.margin]
    return kept, scale * (good.margin - float(np.median(val[val < good.margin])))


def _scale(photos: np.ndarray, val: np.ndarray) -> float:
    """How many times as widely as Val's good scores those of the photos spread, as far as it is to be believed."""
    usual, found = (float(np.median(np.abs(some - np.median(some)))) for some in (val, photos))
    return max(1.0, found / usual) ** (len(photos) / (len(photos) + _CAUTION)) if usual else 1.0


def _promised(val: np.ndarray, margin: float) -> Estimate:
    """The share of Val's good images that are alarms. UserError: it is a half or more."""
    alarms = int(np.count_nonzero(val >= margin))
    if 2 * alarms >= len(val):
        raise UserError(
            f"a threshold that is moved must let more than half of Val's good images pass, but {alarms} of {len(val)} "
            "are alarms.",
            "a model that tells good parts from defects must be found first: adtrack tune.",
        )
    return Estimate(alarms / len(val), *_ends(alarms, len(val)))


@lru_cache
def _ends(alarms: int, count: int) -> tuple[float, float]:
    return share_interval(alarms, count)


def _check_alarms(alarms: int, count: int, share: float) -> None:
    """Refuse photos of which more are alarms than the good ones give together with the defects that are borne."""
    borne = int(BORNE * count)
    most = borne + _most(count - borne, share)
    if alarms > most:
        raise UserError(
            f"photos must be of good parts, but for an eighth of them at most, but {alarms} of {count} are alarms even "
            f"at the moved threshold, and such photos give more than {most} in one case of a hundred.",
            f"take defects away, or {_MORE}.",
        )


def _check_spread(photos: np.ndarray, reach: float) -> None:
    """Refuse photos of which more lie far from their median than good photos of a shifted domain do."""
    far, most = int(np.count_nonzero(np.abs(photos) > reach)), _most(len(photos), _FAR)
    if far > most:
        raise UserError(
            f"photos must have scores that spread about as Val's good ones do, but {far} of {len(photos)} lie more "
            f"than {reach:.3g} from their median, and shifted scores of good parts give more than {most} in one case "
            "of a hundred.",
            f"photos of one camera and one light must be adapted to by themselves; take defects away, or {_MORE}.",
        )


def _distance(median: float, known: Iterable[float], unit: float) -> float:
    """How far the photos' median is from the nearest of Val's. UserError: it is too far."""
    nearest = min(known, key=lambda one: abs(one - median))
    if abs(median - nearest) > FARTHEST * unit:
        raise UserError(
            f"photos must have scores about those of Val's good images, but their median is {median:.4g}, more than "
            f"{FARTHEST} times {unit:.3g} from Val's {nearest:.4g}, and three quarters of Val's lie within {unit:.3g}.",
            "photos of another product tell nothing; if they are of this one, build a model of it: adtrack build-bank.",
        )
    return abs(median - nearest) / unit if unit else 0.0


@lru_cache
def _most(count: int, share: float) -> int:
    """The largest number of photos of which good ones give more in at most one case of a hundred."""
    from scipy.stats import binom

    return int(binom.ppf(_SURE, count, share))
