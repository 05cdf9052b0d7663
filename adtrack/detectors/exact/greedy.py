"""The greedy k-centre order: after the start, always the point that is farthest from its nearest centre so far.

It is the order of the plain loop in ``reference.greedy_order``, with float64 distances and ties to the lowest index.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .distinct import Distinct
from .plan import SearchPlan
from .rounds import Rounds


def growing_order(points: Tensor, count: int, beginning: Tensor, plan: SearchPlan) -> Iterator[Tensor]:
    """The order of points float32 (N, D), as far as it has come after every round: at last ``count`` indices int64.

    ``beginning`` int64 is the beginning of the order, at least its start. Equal points are at no distance from each
    other, so one of each is chosen before any of its twins, and the twins follow at the end by their index.
    """
    distinct, total = Distinct(points, plan.numbers), len(points)
    del points  # where there are twins, the different points are a copy
    known = distinct.which(beginning[: len(distinct)].to(distinct.lowest.device))
    rounds = Rounds(distinct.vectors, min(count, len(distinct)), known, plan)
    order = beginning
    while rounds.found < len(rounds.order):
        rounds.next()
        order = torch.cat([beginning, distinct.lowest[rounds.order[len(known) : rounds.found]].cpu()])
        yield order
    left = torch.ones(total, dtype=torch.bool).index_fill_(0, order, False)
    yield torch.cat([order, left.nonzero().squeeze(1)[: count - len(order)]])
