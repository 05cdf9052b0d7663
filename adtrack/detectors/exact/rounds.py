"""Rounds of the greedy order: most points are left alone for most of them.

Let gap(p) be the distance of a point p to its nearest centre so far. The next centre is the point with the largest gap.
Two inequalities save the work:

    A new centre can only lower a gap:              gap after ≤ gap before.
    The distance to any centre c bounds a gap:      gap(p) ≤ ‖p − c‖.

So a point with gap(p) < θ, or only with ‖p − c‖ < θ for one centre c, cannot be chosen while any point's gap is θ or
more. A round sets a threshold θ that few points reach by what is known of them, compares these with the centres that
they have missed, and runs the plain loop among the points that stay at θ or above. Most points fall below θ at one of
the first centres that they are compared with.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from .distance import mutual_distances, pair_distances
from .plan import SearchPlan
from .table import VectorTable
from .tiles import close_pairs, likely_distances

_Compare = Callable[[Tensor, slice], None]  # lowers the gaps of some rows by what some centres say


class Rounds:
    """The order of different points float32 (N, D), as far as it has been ``found``.

    ``gap`` float64 (N,) is an upper bound of each point's gap: the exact distance to one of the first ``seen`` centres,
    and no more than the distance to the nearest of the first ``settled`` ones. For centres it is −1.
    """

    def __init__(self, points: Tensor, count: int, chosen: Tensor, plan: SearchPlan) -> None:
        total, device = len(points), points.device
        self.points, self.plan = points, plan
        self.table = VectorTable(points, plan)
        self.order = torch.empty(count, dtype=torch.int64, device=device)
        self.centres = self.table.encoded.blank(count)
        self.found = 0
        self.gap = torch.full((total,), torch.inf, dtype=torch.float64, device=device)
        self.seen = torch.zeros(total, dtype=torch.int64, device=device)
        self.settled = torch.zeros(total, dtype=torch.int64, device=device)
        draws = torch.Generator().manual_seed(0)
        self.sample = torch.randperm(total, generator=draws)[: plan.threshold_sample].to(device)
        self._add(chosen)

    def next(self) -> None:
        """Add centres until no point has a gap above the round's threshold."""
        threshold = self._threshold()
        # Points with bounds equal to the threshold may tie with those above it, so they belong to the round.
        rows = (self.gap >= threshold).nonzero().squeeze(1)
        rows = self._bring(rows, threshold, self.seen, partial(self._bound, threshold), self.plan.centres)
        rows = self._bring(rows, threshold, self.settled, self._settle, 16 * self.plan.centres)
        self.seen[rows] = self.found
        if len(rows):
            self._choose_among(rows, threshold)

    def _threshold(self) -> Tensor:
        """A threshold that ``plan.sample_above`` points of the sample reach, and one point at least."""
        some = self.gap[self.sample]
        above = torch.topk(some, min(self.plan.sample_above, len(some))).values
        return above[-1].clamp(min=0).minimum(self.gap.max())

    def _bring(self, rows: Tensor, threshold: Tensor, known: Tensor, compare: _Compare, width: int) -> Tensor:
        """Compare ``rows`` with the centres that they do not know, as long as their gap is at ``threshold`` or above.

        ``known`` (N,) says how many of the first centres each point knows. Gives the rows that stay at the threshold or
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
        apart = partial(self._apart, rows, self.order[centres])
        within = threshold.expand(len(rows))
        nearest = likely_distances(self.table[rows], self._some(centres), within, apart)
        self.gap[rows] = torch.where(nearest < threshold, nearest, self.gap[rows])

    def _settle(self, rows: Tensor, centres: slice) -> None:
        """Lower the gaps of ``rows`` to the distance of the nearest of ``centres``."""
        apart = partial(self._apart, rows, self.order[centres])
        row, centre = close_pairs(self.table[rows], self._some(centres), self.gap[rows], apart)
        self.gap.scatter_reduce_(0, rows[row], apart(row, centre), reduce="amin")

    def _choose_among(self, rows: Tensor, threshold: Tensor) -> None:
        """The plain greedy loop among ``rows``, whose gaps are exact, while one is at ``threshold`` or above."""
        last = len(self.points)
        if len(rows) > self.plan.active:
            # Only the farthest, of equals the first: none of the others comes before the last of these.
            rows = rows[torch.argsort(self.gap[rows], descending=True, stable=True)[: self.plan.active]]
            threshold, last = self.gap[rows[-1]], int(rows[-1])
            rows = rows.sort().values
        gap, mutual = self.gap[rows], mutual_distances(self.points.index_select(0, rows))
        chosen: list[Tensor] = []
        for farthest, places in _plain_loop(gap, mutual, self.plan.steps):
            in_turn = (farthest > threshold) | ((farthest == threshold) & (rows[places] <= last))
            chosen.append(places[in_turn])  # the first of them: gaps fall, and among equal ones the indices rise
            if len(chosen[-1]) < len(places):
                break
        places = torch.cat(chosen)[: len(self.order) - self.found]
        self.gap[rows] = torch.minimum(gap, mutual[:, places].amin(dim=1))
        self._add(rows[places])
        self.seen[rows] = self.settled[rows] = self.found

    def _add(self, centres: Tensor) -> None:
        self.gap[centres] = -1.0  # a centre is never chosen again
        place = slice(self.found, self.found + len(centres))
        self.order[place] = centres
        self.centres.put(place, self.table.encoded[centres])
        self.found = place.stop

    def _some(self, centres: slice) -> VectorTable:
        return VectorTable(self.points, self.plan, self.table.encoding, self.centres[centres], self.order[centres])

    def _apart(self, rows: Tensor, centres: Tensor, row: Tensor, centre: Tensor) -> Tensor:
        return pair_distances(self.points, rows[row], self.points, centres[centre], numbers=self.plan.numbers)


def _plain_loop(gap: Tensor, mutual: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The gap and the place of the farthest point, which then becomes a centre, and so on, ``steps`` at a time.

    ``gap`` (n,) is the distance of each point to its nearest centre, ``mutual`` (n, n) the distances between points.
    """
    while True:
        gaps, places = [], []
        for _ in range(steps):
            farthest, place = gap.max(dim=0, keepdim=True)  # the first of equals
            gap = torch.minimum(gap, mutual.index_select(0, place)[0]).index_fill_(0, place, -1.0)
            gaps.append(farthest)
            places.append(place)
        yield torch.cat(gaps), torch.cat(places)
