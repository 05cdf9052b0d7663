"""Greedy k-centre: the order in which patches join the memory bank (PatchCore, algorithm 1).

The order is that of the plain loop "add the point that is farthest from all centres so far", with Euclidean distances
in float64 and ties to the lowest index; only the work differs. Distances only fall, so a point whose distance was below
a threshold once cannot be chosen before the covering radius has fallen to that threshold. The loop therefore runs in
rounds: it sets a threshold that few points reach by what is known of them, compares these with the centres they have
missed, and runs the plain loop among those that are left. Most points fall below the threshold at one of the first
centres they are compared with, and are left alone from then on. Products of encoded points only ever rule out; what is
chosen is decided by exact distances.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from ..errors import UserError
from ..features.precision import full_precision
from ..features.threads import fixed_threads
from .closeness import Table, close_pairs, likely_distances
from .distance import check_vectors, mutual_distances, pair_distances
from .distinct import Distinct

_ROUND_MOST, _ROUND_LEAST = 16, 4096  # a round looks at one in so many points at most, and at so many at least
_SAMPLE = 8192  # points whose distances stand for all in the choice of a round's threshold
_ROWS, _CENTRES = 8192, 2048  # points and centres that are compared at once: measured best on ResNet features
_ACTIVE = 1024  # points that the plain loop runs among at most
_STEPS = 32  # of it at a time
_SPARE, _SHORT = 1.2, 0.5  # with more or fewer than so many times _ACTIVE left, the next round's threshold is set anew
_COARSE = 4  # distances below so many times the encoding's blur are not worth bounds: most would have to be settled

Compare = Callable[[Tensor, slice], None]


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


@full_precision
def greedy_order(
    features: Tensor,
    count: int,
    *,
    seed: int = 0,
    start: int | None = None,
    projection: int | None = 128,
    prefix: Tensor | None = None,
    on_progress: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Indices of the first ``count`` centres of the greedy k-centre order, the start included: int64 (count,).

    ``features`` is float32 (N, D). ``start`` is the first centre (drawn from ``seed`` if None); ``projection`` is the
    number of random dimensions that distances are measured in (None = all of D). The first k of an order are the
    order of k: a longer one can be continued from ``prefix``, the beginning of the same order. ``on_progress`` is
    shown the order as far as it has come after every round.
    """
    total = len(features)
    if features.ndim != 2 or 0 in features.shape:
        raise UserError(f"features must have shape (patches, dimensions), but got {tuple(features.shape)}.")
    if not 1 <= count <= total:
        raise UserError(f"coreset size must be between 1 and the number of patches {total}, but got {count}.")
    if start is None:
        start = int(torch.randint(total, (1,), generator=torch.Generator().manual_seed(seed)))
    if not 0 <= start < total:
        raise UserError(f"coreset start must be the index of one of {total} patches, but got {start}.")
    matrix = projection_matrix(features.shape[1], projection, seed)
    points = features.float()
    if matrix is not None:
        with fixed_threads():
            points = points @ matrix.to(features.device)
    check_vectors("features", points)
    beginning = torch.tensor([start]) if prefix is None else prefix[:count].cpu()
    for order in _orders(points.contiguous(), count, beginning):
        if on_progress is not None:
            on_progress(order)
    return order


def _orders(points: Tensor, count: int, beginning: Tensor) -> Iterator[Tensor]:
    """The order from its ``beginning`` on, as far as it has come after every round, at last ``count`` indices.

    Equal points are at no distance from each other. So one of each is chosen before any of its twins, which then follow
    by their index.
    """
    distinct = Distinct(points)
    known = distinct.which(beginning[: len(distinct)].to(points.device))
    search = _GreedySearch(distinct.vectors, min(count, len(distinct)), known)
    order = beginning
    while search.found < len(search.order):
        search.round()
        order = torch.cat([beginning, distinct.lowest[search.order[len(known) : search.found]].cpu()])
        yield order
    left = torch.ones(len(points), dtype=torch.bool).index_fill_(0, order, False)
    yield torch.cat([order, left.nonzero().squeeze(1)[: count - len(order)]])


class _GreedySearch:
    """State of the rounds among different points.

    Of every point an upper bound of its distance to the first ``seen`` centres, in float64: the exact distance to one
    of them, and no more than that to the nearest of the first ``settled``. Centres have -1.
    """

    def __init__(self, points: Tensor, count: int, chosen: Tensor) -> None:
        total, device = len(points), points.device
        self.points = points
        self.table = Table(points)
        self.order = torch.empty(count, dtype=torch.int64, device=device)
        self.centres = self.table.encoded.blank(count)
        self.found = 0
        self.distance = torch.full((total,), torch.inf, dtype=torch.float64, device=device)
        self.seen = torch.zeros(total, dtype=torch.int64, device=device)
        self.settled = torch.zeros(total, dtype=torch.int64, device=device)
        self.least = min(_ROUND_LEAST / total, 1.0)
        self.most = self.share = max(1 / _ROUND_MOST, self.least)
        self.sample = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:_SAMPLE].to(device)
        self._add(chosen)

    def round(self) -> None:
        """Add centres until none of the points that are now farthest is above the round's threshold."""
        threshold = self._threshold()
        # Points with bounds equal to the threshold may tie with those above it, so they belong to the round.
        rows = (self.distance >= threshold).nonzero().squeeze(1)
        if _COARSE * self.table.blur < threshold:
            bound = partial(self._bound, threshold)
            rows = self._bring(rows, threshold, self.seen, bound, _CENTRES)
        rows = self._bring(rows, threshold, self.settled, self._settle, 16 * _CENTRES)
        self.seen[rows] = self.found
        self._aim(len(rows))
        if len(rows):
            self._choose_among(rows, threshold)

    def _threshold(self) -> Tensor:
        """So that about ``share`` of the points are above it, and one at least."""
        some = self.distance[self.sample]
        above = torch.topk(some, max(int(self.share * len(some)), 1)).values
        return above[-1].clamp(min=0).minimum(self.distance.max())

    def _aim(self, left: int) -> None:
        """Set the ``share`` of the next round: as many points should be left as the plain loop can run among.

        At first nearly all fall below the threshold at once. Later most stay above it, and to bring more of them up to
        date than can be chosen from is wasted.
        """
        if left > _SPARE * _ACTIVE:
            self.share = max(self.share * 0.7, self.least)
        elif left < _SHORT * _ACTIVE:
            self.share = min(self.share * 1.4, self.most)

    def _bring(self, rows: Tensor, threshold: Tensor, known: Tensor, compare: Compare, width: int) -> Tensor:
        """Compare ``rows`` with the centres that they do not know, as long as they are at ``threshold`` or above.

        Returns those that stay there: they know all centres then.
        """
        start = int(known[rows].min()) if len(rows) else self.found
        for first in range(start // width * width, self.found, width):
            last = min(first + width, self.found)
            rows = rows[self.distance[rows] >= threshold]
            behind = rows[(known[rows] < last) & (self.distance[rows] > 0)]
            if len(behind):
                # Beside others that miss as many: all of a part are compared with whatever one of them has missed.
                behind = behind[torch.argsort(known[behind], stable=True)]
                for part, oldest in zip(behind.split(_ROWS), known[behind[::_ROWS]].tolist(), strict=True):
                    compare(part, slice(max(first, oldest), last))
                known[behind] = last
        rows = rows[self.distance[rows] >= threshold]
        known[rows] = self.found
        return rows

    def _bound(self, threshold: Tensor, rows: Tensor, centres: slice) -> None:
        """Lower ``distance`` of ``rows`` to that of the one of ``centres`` that looks nearest, if it is below
        ``threshold``: else they will be compared more closely."""
        apart = partial(self._apart, rows, self.order[centres])
        within = threshold.expand(len(rows))
        nearest = likely_distances(self.table[rows], self._some(centres), within, apart)
        self.distance[rows] = torch.where(nearest < threshold, nearest, self.distance[rows])

    def _settle(self, rows: Tensor, centres: slice) -> None:
        """Lower ``distance`` of ``rows`` to that of the nearest of ``centres``."""
        apart = partial(self._apart, rows, self.order[centres])
        row, centre = close_pairs(self.table[rows], self._some(centres), self.distance[rows], apart)
        self.distance.scatter_reduce_(0, rows[row], apart(row, centre), reduce="amin")

    def _choose_among(self, rows: Tensor, threshold: Tensor) -> None:
        """The plain greedy loop among ``rows``, whose distances are exact, while one is at ``threshold`` or above."""
        last = len(self.points)
        if len(rows) > _ACTIVE:  # the farthest of them, of equals the first: none of the others comes before the last
            rows = rows[torch.argsort(self.distance[rows], descending=True, stable=True)[:_ACTIVE]]
            threshold, last = self.distance[rows[-1]], int(rows[-1])
            rows = rows.sort().values
        distance, mutual = self.distance[rows], mutual_distances(self.points.index_select(0, rows))
        chosen = []
        for farthest, places in _plain_loop(distance, mutual):
            in_turn = (farthest > threshold) | ((farthest == threshold) & (rows[places] <= last))
            chosen.append(places[in_turn])  # the first of them: distances fall, and of equal ones indices rise
            if len(chosen[-1]) < len(places):
                break
        places = torch.cat(chosen)[: len(self.order) - self.found]
        self.distance[rows] = torch.minimum(distance, mutual[:, places].amin(dim=1))
        self._add(rows[places])
        self.seen[rows] = self.settled[rows] = self.found

    def _add(self, centres: Tensor) -> None:
        self.distance[centres] = -1.0  # a centre is never chosen again
        place = slice(self.found, self.found + len(centres))
        self.order[place] = centres
        self.centres.put(place, self.table.encoded[centres])
        self.found = place.stop

    def _some(self, centres: slice) -> Table:
        return Table(self.points, self.table.encoding, self.centres[centres], self.order[centres])

    def _apart(self, rows: Tensor, centres: Tensor, row: Tensor, centre: Tensor) -> Tensor:
        return pair_distances(self.points, rows[row], self.points, centres[centre])


def _plain_loop(distance: Tensor, mutual: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Distance and place of the farthest point, which then becomes a centre, and so on, _STEPS at a time: a graphics
    card need not wait for somebody to look at them.

    ``distance`` (n,) is that of points to their nearest centre, ``mutual`` (n, n) is theirs to each other.
    """
    while True:
        steps = []
        for _ in range(_STEPS):
            farthest, place = distance.max(dim=0, keepdim=True)  # the first of equals
            distance = torch.minimum(distance, mutual.index_select(0, place)[0]).index_fill_(0, place, -1.0)
            steps.append((farthest, place))
        yield tuple(torch.cat(part) for part in zip(*steps, strict=True))
