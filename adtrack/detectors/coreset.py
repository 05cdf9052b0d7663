"""Greedy k-centre: the order in which patches join the memory bank (PatchCore, algorithm 1).

The order is that of the plain loop "add the point that is farthest from all centres so far", in float64, ties to the
lowest index; only the work differs. A point whose distance bound is below a threshold cannot be chosen before the
covering radius has fallen to that threshold. So the loop runs in rounds: bring the few points above the threshold up
to date with the centres added since each was last looked at (matrix products), run the plain loop among them, lower the
threshold. Matrix products only ever rule candidates out, by bounds on their error; what is chosen is decided by exact
differences.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import UserError
from .closeness import Table, close_pairs

_ROUND_SHARE = 24  # a round looks at one in so many points (at least _ROUND_LEAST): measured best on ResNet features
_ROUND_LEAST = 4096
_ROWS, _CENTRES = 4096, 16384  # points and centres that are compared at once


def coreset_count(fraction: float, patches: int) -> int:
    """How many of ``patches`` a fraction keeps. UserError if it keeps none."""
    count = round(fraction * patches)
    if count < 1:
        raise UserError(
            f"coreset fraction must keep at least one patch, but {fraction} of {patches} patches is {count}.",
            f"{1 / patches:.2g} keeps one." if patches else "",
        )
    return count


def projection_matrix(dimensions: int, projection: int | None, seed: int) -> Tensor | None:
    """Gaussian random projection (dimensions, projection) that keeps distances in expectation; None if it would not
    shrink the features (Johnson–Lindenstrauss; PatchCore, section 3.2)."""
    if projection is None or dimensions <= projection:
        return None
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(dimensions, projection, generator=generator) / projection**0.5


def greedy_order(
    features: Tensor,
    count: int,
    *,
    seed: int = 0,
    start: int | None = None,
    projection: int | None = 128,
    prefix: Tensor | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Indices of the first ``count`` centres of the greedy k-centre order, the start included: int64 (count,).

    ``features`` is float32 (N, D). ``start`` is the first centre (drawn from ``seed`` if None); ``projection`` is the
    number of random dimensions that distances are measured in (None = all of D). The first k of an order are the
    order of k: a longer one can be continued from ``prefix``, the beginning of the same order. ``on_progress`` is
    told after every round how many centres there are.
    """
    total = len(features)
    if features.ndim != 2 or total == 0:
        raise UserError(f"features must have shape (patches, dimensions), but got {tuple(features.shape)}.")
    if not 1 <= count <= total:
        raise UserError(f"coreset size must be between 1 and the number of patches {total}, but got {count}.")
    if start is None:
        start = int(torch.randint(total, (1,), generator=torch.Generator().manual_seed(seed)))
    if not 0 <= start < total:
        raise UserError(f"coreset start must be the index of one of {total} patches, but got {start}.")
    matrix = projection_matrix(features.shape[1], projection, seed)
    points = features.float() if matrix is None else features.float() @ matrix.to(features.device)
    if not all(bool(torch.isfinite(part).all()) for part in points.split(_ROWS)):
        raise UserError("features must be finite numbers, but some are NaN or infinite.")
    chosen = torch.tensor([start]) if prefix is None else prefix[:count]
    search = _GreedySearch(points.contiguous(), count, chosen.to(points.device))
    while search.found < count:
        search.round()
        if on_progress is not None:
            on_progress(search.found)
    return search.order.cpu()


class _GreedySearch:
    """State of the rounds: every point's squared distance to the first ``seen`` centres, exact in float64."""

    def __init__(self, points: Tensor, count: int, chosen: Tensor) -> None:
        total = len(points)
        self.points = points
        self.table = Table.of(points)
        self.order = torch.empty(count, dtype=torch.int64, device=points.device)
        self.order[: len(chosen)] = chosen
        self.found = len(chosen)
        self.distance = torch.full((total,), torch.inf, dtype=torch.float64, device=points.device)
        self.seen = torch.zeros(total, dtype=torch.int64, device=points.device)
        self.distance[chosen] = -1.0  # a centre is never chosen again, however many twins it has
        self.share = max(_ROUND_LEAST, total // _ROUND_SHARE)

    def round(self) -> None:
        """Add centres until none of the points that are now farthest is above the round's threshold."""
        stale = self.distance
        share = min(self.share, len(stale))
        # Points with bounds equal to the threshold may tie with those above it, so they belong to the round.
        threshold = torch.topk(stale, share, sorted=True).values[-1]
        rows = (stale >= threshold).nonzero().squeeze(1)
        self._refresh(rows)
        active = rows[self.distance[rows] >= threshold]
        if len(active):
            self._choose_among(active, threshold)

    def _choose_among(self, rows: Tensor, threshold: Tensor) -> None:
        """The plain greedy loop among ``rows``, whose distances are up to date, while one is ≥ ``threshold``."""
        exact = self.distance[rows]
        points = self.points[rows]
        points = points - points.mean(dim=0)  # shorter vectors: tighter bounds on the rounding
        # ‖x‖² − 2x·c + ‖c‖² is off by the dot product's rounding, that of the sums around it and of the centring, at
        # most (D/2 + 10) · 2⁻²⁴ · (‖x‖ + ‖c‖)². Squares that are lowered by twice their share give lower bounds.
        squares = (points.double().square().sum(dim=1) * (1 - (points.shape[1] + 20) * 2.0**-24)).float()
        steps = 0
        while self.found < len(self.order):
            best = int(exact.argmax())  # the first of equals, and rows ascend: the lowest index
            if exact[best] < threshold or exact[best] < 0:
                break
            self.order[self.found] = rows[best]
            self.found += 1
            rough = torch.addmv(squares, points, points[best], alpha=-2.0) + squares[best]
            nearer = (rough < exact).nonzero().squeeze(1)
            exact[nearer] = torch.minimum(exact[nearer], self._exact(rows[nearer], rows[best]))
            exact[best] = -1.0
            steps += 1
            if steps % 256 == 0 and len(rows) > 1024:
                keep = exact >= threshold
                if int(keep.sum()) < 0.7 * len(rows):
                    self._store(rows, exact)
                    rows, exact = rows[keep], exact[keep]
                    points, squares = points[keep], squares[keep]
        self._store(rows, exact)

    def _store(self, rows: Tensor, exact: Tensor) -> None:
        self.distance[rows] = exact
        self.seen[rows] = self.found

    def _exact(self, rows: Tensor, centres: Tensor) -> Tensor:
        """Squared distances of points to one centre, or pair by pair: float64, from differences."""
        return (self.points[rows].double() - self.points[centres].double()).square().sum(dim=-1)

    def _refresh(self, rows: Tensor) -> None:
        """Bring ``distance`` of ``rows`` up to date with all centres found so far."""
        rows = rows[self.distance[rows] >= 0]
        rows = rows[torch.argsort(self.seen[rows], stable=True)]  # neighbours then miss the same centres
        for part in rows.split(_ROWS):
            some = self.table[part]
            for at in range(int(self.seen[part[0]]), self.found, _CENTRES):
                self._compare(part, some, self.order[at : min(at + _CENTRES, self.found)])
        self.seen[rows] = self.found

    def _compare(self, rows: Tensor, some: Table, centres: Tensor) -> None:
        """Lower ``distance`` of ``rows`` to the exact distance to the nearest of ``centres``, where that is nearer."""

        def distance(row: Tensor, centre: Tensor) -> Tensor:
            return self._exact(rows[row], centres[centre]).sqrt()

        row, centre = close_pairs(some, self.table[centres], self.distance[rows].sqrt(), distance)
        exact = self._exact(rows[row], centres[centre])
        self.distance.scatter_reduce_(0, rows[row], exact, reduce="amin")
