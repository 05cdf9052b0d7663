"""What the holder of some points does in the rounds of a greedy order; ``rounds.py`` tells how rounds go.

A holder knows its own points alone. It is told the centres, wherever they are held, and gives those of its points that
may be the next ones. All that it is told and gives is small, so it may live on another machine.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .distance import pair_distances
from .distinct import Distinct
from .plan import SearchPlan
from .table import VectorTable
from .tiles import close_pairs, likely_distances

_Compare = Callable[[Tensor, slice], None]  # lowers the gaps of some rows by what some centres say


@dataclass(frozen=True)
class News:
    """New centres: the indices int64 (c,) and the vectors float32 (c, D) of the ``first``-th and those after it.

    ``known`` int64 (m,) are indices of points whose gaps to all centres, these among them, are ``gaps`` float64 (m,).
    """

    first: int
    indices: Tensor
    vectors: Tensor
    known: Tensor
    gaps: Tensor


@dataclass(frozen=True)
class Leading:
    """The largest gaps float64 (m,) in a holder's part of the sample of all points, and the ``largest`` float64 () of
    all of its gaps."""

    gaps: Tensor
    largest: Tensor


@dataclass(frozen=True)
class Reached:
    """The points of a holder that reach a threshold: there are ``count`` of them, with ``indices`` int64 (m,) and exact
    ``gaps`` float64 (m,), m = count unless only the farthest are given. The indices ascend."""

    count: int
    indices: Tensor
    gaps: Tensor


class PointHolder:
    """Some of ``total`` points: ``points`` float32 (n, D), with the indices from ``first`` on.

    The order has ``count`` centres at most. Equal points are held once, by their lowest index: one of each is chosen
    before any of its twins. ``gap`` float64 is an upper bound of each different point's gap: the exact distance to one
    of the first ``seen`` centres, and no more than the distance to the nearest of the first ``settled`` ones. For
    centres it is −1.
    """

    def __init__(self, points: Tensor, count: int, plan: SearchPlan, first: int = 0, total: int | None = None) -> None:
        self.first, self.size, self.plan = first, len(points), plan
        self.distinct = Distinct(points, plan.numbers)
        self.points = self.distinct.vectors  # where there are twins, the different points are a copy
        different, device = len(self.points), points.device
        self.table = VectorTable(self.points, plan)
        self.centres = points.new_empty(count, points.shape[1])
        self.encoded = self.table.encoded.blank(count)
        self.found = 0
        self.gap = torch.full((different,), torch.inf, dtype=torch.float64, device=device)
        self.seen = torch.zeros(different, dtype=torch.int64, device=device)
        self.settled = torch.zeros(different, dtype=torch.int64, device=device)
        part = math.ceil(plan.threshold_sample * self.size / (total or self.size))
        draws = torch.Generator().manual_seed(0)
        self.sample = torch.randperm(different, generator=draws)[:part].to(device)

    def vectors(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Which of ``indices`` int64 (m,) are held here, as places int64 (p,) among them, and their vectors float32
        (p, D)."""
        places, rows = self._own(indices)
        return places, self.points.index_select(0, rows)

    def learn(self, news: News) -> Leading | None:
        """Take in new centres, as far as they are new. None if others before them have not been learned."""
        if news.first > self.found:
            return None
        new = slice(self.found - news.first, None)
        vectors, own = news.vectors[new].to(self.points.device), self._own(news.indices[new])[1]
        if len(vectors):
            place = slice(self.found, self.found + len(vectors))
            all_own = len(own) == len(vectors)
            self.centres[place] = vectors
            self.encoded.put(place, self.table.encoded[own] if all_own else self.table.encoding.encode(vectors))
            self.found = place.stop
        places, rows = self._own(news.known)
        self.gap[rows] = news.gaps.to(self.gap.device)[places]
        self.seen[rows] = self.settled[rows] = self.found
        self.gap[self._own(news.indices)[1]] = -1.0  # a centre is never chosen again
        some = self.gap[self.sample]
        return Leading(torch.topk(some, min(self.plan.sample_above, len(some))).values, self.gap.max())

    def reaching(self, found: int, threshold: Tensor) -> Reached | None:
        """The points whose gaps to the first ``found`` centres are above 0 and ``threshold`` float64 () or more, the
        farthest ``plan.active`` of them. None if not all of these centres have been learned."""
        if found != self.found:
            return None
        threshold = threshold.to(self.gap.device)
        # Points with bounds equal to the threshold may tie with those above it, so they belong to the round.
        rows = (self.gap >= threshold).nonzero().squeeze(1)
        rows = self._bring(rows, threshold, self.seen, partial(self._bound, threshold), self.plan.centres)
        rows = self._bring(rows, threshold, self.settled, self._settle, 16 * self.plan.centres)
        self.seen[rows] = self.found
        rows = rows[self.gap[rows] > 0]  # others are equal to a centre
        count = len(rows)
        if count > self.plan.active:  # of equals the first: none of the others comes before the last of these
            farthest = torch.argsort(self.gap[rows], descending=True, stable=True)[: self.plan.active]
            rows = rows[farthest].sort().values
        return Reached(count, self.first + self.distinct.lowest[rows], self.gap[rows])

    def _own(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The places among ``indices`` of those held here, and the rows of their different points."""
        indices = indices.to(self.points.device) - self.first
        places = ((indices >= 0) & (indices < self.size)).nonzero().squeeze(1)
        return places, self.distinct.which(indices[places])

    def _bring(self, rows: Tensor, threshold: Tensor, known: Tensor, compare: _Compare, width: int) -> Tensor:
        """Compare ``rows`` with the centres that they do not know, as long as their gap is at ``threshold`` or above.

        ``known`` says how many of the first centres each point knows. Gives the rows that stay at the threshold or
        above: they know all centres then.
        """
        start = int(known[rows].min()) if len(rows) else self.found
        for first in range(start // width * width, self.found, width):
            last = min(first + width, self.found)
            rows = rows[self.gap[rows] >= threshold]
            behind = rows[(known[rows] < last) & (self.gap[rows] > 0)]
            if len(behind):
                for part in torch.split(behind, self.plan.rows):  # each with whatever one of its rows has missed
                    compare(part, slice(max(first, int(known[part].min())), last))
                known[behind] = last
        rows = rows[self.gap[rows] >= threshold]
        known[rows] = self.found
        return rows

    def _bound(self, threshold: Tensor, rows: Tensor, centres: slice) -> None:
        """Lower the gaps of ``rows`` to the distance of the one of ``centres`` that looks nearest, where that is below
        ``threshold``: the others will be settled."""
        apart = partial(self._apart, rows, self.centres[centres])
        within = threshold.expand(len(rows))
        nearest = likely_distances(self.table[rows], self._some(centres), within, apart)
        self.gap[rows] = torch.where(nearest < threshold, nearest, self.gap[rows])

    def _settle(self, rows: Tensor, centres: slice) -> None:
        """Lower the gaps of ``rows`` to the distance of the nearest of ``centres``."""
        apart = partial(self._apart, rows, self.centres[centres])
        row, centre = close_pairs(self.table[rows], self._some(centres), self.gap[rows], apart)
        self.gap.scatter_reduce_(0, rows[row], apart(row, centre), reduce="amin")

    def _some(self, centres: slice) -> VectorTable:
        return VectorTable(self.centres[centres], self.plan, self.table.encoding, self.encoded[centres])

    def _apart(self, rows: Tensor, centres: Tensor, row: Tensor, centre: Tensor) -> Tensor:
        return pair_distances(self.points, rows[row], centres, centre, numbers=self.plan.numbers)
