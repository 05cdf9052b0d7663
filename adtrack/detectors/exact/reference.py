"""What a search and a greedy order compute, as plainly as it can be written. The fast ways give the same bits.

A distance is the square root of a sum of squared differences in float64. Nothing but the tests calls this module.
"""

import torch
from torch import Tensor


def distances(left: Tensor, right: Tensor) -> Tensor:
    """The Euclidean distances of all rows of ``left`` float32 (n, D) to all of ``right`` (m, D): float64 (n, m)."""
    return torch.cdist(left.double(), right.double(), 2.0, "donot_use_mm_for_euclid_dist")


def nearest(bank: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The distances float32 (n, k), ascending, and rows int64 (n, k) of the k bank rows that are nearest to each query.

    Of rows at the same distance the lowest comes first.
    """
    found, rows = distances(queries, bank).sort(dim=1, stable=True)
    return found[:, :k].float(), rows[:, :k]


def greedy_order(points: Tensor, count: int, start: int) -> Tensor:
    """The first ``count`` centres of the greedy k-centre order (PatchCore, algorithm 1): int64 (count,).

    After ``start``, each centre is the point that is farthest from its nearest centre so far. Of points at the same
    distance the lowest is chosen.
    """
    order, points = [start], points.double()
    gap = torch.full((len(points),), torch.inf, dtype=torch.float64)
    while len(order) < count:
        gap = torch.minimum(gap, distances(points, points[order[-1:]])[:, 0])
        gap[order] = -1.0  # a centre is never chosen again
        order.append(int(gap.argmax()))  # the first of equals
    return torch.tensor(order)
