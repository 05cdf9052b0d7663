"""The greedy k-centre order: after the start, always the point that is farthest from its nearest centre so far.

It is the order of the plain loop in ``reference.greedy_order``, with float64 distances and ties to the lowest index.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .plan import SearchPlan
from .rounds import Holders, Rounds


def growing_order(holders: Holders, count: int, beginning: Tensor, plan: SearchPlan) -> Iterator[Tensor]:
    """The order of the points that ``holders`` hold, as far as it has come after every round: at last ``count`` indices
    int64.

    ``beginning`` int64 is the beginning of the order, at least its start. Equal points are at no distance from each
    other, so one of each is chosen before any of its twins, and the twins follow at the end by their index.
    """
    rounds = Rounds(holders, count, beginning, plan)
    while rounds.found < count and not rounds.over:
        rounds.next()
        yield rounds.order[: rounds.found]
    order = rounds.order[: rounds.found]
    left = torch.ones(count, dtype=torch.bool)  # among so many, that many at least are not chosen by now
    left[order[order < count]] = False
    yield torch.cat([order, left.nonzero().squeeze(1)[: count - len(order)]])
