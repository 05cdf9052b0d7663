"""Whether a task could be learnt at all, judged by images that were held out."""

import math
from dataclasses import dataclass

LUCK = 0.05  # a result that luck gives as often as this, or more often, shows nothing


@dataclass(frozen=True)
class TaskVerdict:
    """Whether a task has taught the network anything, and what that means, in a sentence or two."""

    taught: bool
    words: str


def by_luck(right: float, count: int, by_chance: float) -> float:
    """At most so likely is a mean share of ``right`` or more over ``count`` independent images, where guessing gives
    ``by_chance`` of each.

    This is the bound of Chernoff and Hoeffding (1963, theorem 1). It is that of a binomial tail where an image is right
    or wrong, and it also holds where an image counts in part, as one of which some turns are recognised: nothing is
    assumed about how these depend on each other.
    """
    if right <= by_chance:
        return 1.0
    terms = ((right, by_chance), (1 - right, 1 - by_chance))
    return math.exp(-count * sum(share * math.log(share / chance) for share, chance in terms if share > 0))
