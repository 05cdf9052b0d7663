"""When photos do not tell where a threshold lies in their domain: these checks refuse them in one sentence.

No shift of good scores explains photos of which too many are alarms even at the moved threshold, or lie too far from
their own median. How many are too many is counted by the binomial distribution: good photos, with an eighth of defects
among them where alarms are counted, would give more in one case of a hundred.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from adtrack.detectors.calibration import GoodScores
from adtrack.errors import UserError
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.good_parts import alarms_by_margin

FEWEST = 4  # photos
BORNE = 1 / 8  # of the photos may be defects
WIDE = 1.5  # times as far as Val's good scores may a quarter of the photos lie from their median
FAR = 0.25  # of Val's good images lie farther from their median: their distance is the unit of moves
FARTHEST = 20  # units that a median may move; drift that a ranking outlives has not moved one by more than 7
_SURE = 0.99  # of good photos are not refused by either count
_MORE = "take more photos of good parts as they come"


def check_counts(photos: int, good: GoodScores) -> None:
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


def check_promise(good: GoodScores) -> None:
    """Refuse to move a threshold that is of no use on Val either."""
    alarms, count = alarms_by_margin(good)
    if 2 * alarms >= count:
        raise UserError(
            f"a threshold that is moved must let more than half of Val's good images pass, but {alarms} of {count} "
            "are alarms.",
            "a model that tells good parts from defects must be found first: adtrack tune.",
        )


def check_alarms(alarms: int, count: int, share: float) -> None:
    """Refuse photos of which more are alarms than the good ones give together with the defects that are borne."""
    borne = int(BORNE * count)
    most = borne + _most(count - borne, share)
    if alarms > most:
        raise UserError(
            f"photos must be of good parts, but for an eighth of them at most, but {alarms} of {count} are alarms even "
            f"at the moved threshold, and such photos give more than {most} in one case of a hundred.",
            f"take defects away, or {_MORE}.",
        )


def check_spread(photos: np.ndarray, reach: float) -> None:
    """Refuse photos of which more lie far from their median than good photos of a shifted domain do."""
    far, most = int(np.count_nonzero(np.abs(photos) > reach)), _most(len(photos), FAR)
    if far > most:
        raise UserError(
            f"photos must have scores that spread about as Val's good ones do, but {far} of {len(photos)} lie more "
            f"than {reach:.3g} from their median, and shifted scores of good parts give more than {most} in one case "
            "of a hundred.",
            f"photos of one camera and one light must be adapted to by themselves; take defects away, or {_MORE}.",
        )


def distance(median: float, known: Iterable[float], unit: float) -> float:
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
