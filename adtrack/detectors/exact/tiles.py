"""Which vectors of two tables can be close: their whole distance matrix, computed tile by tile and never kept.

Every tile is written into the same memory, so it stays in the processor's cache until what is small in it has been
picked out. That makes the whole matrix as cheap as its multiplications; written out, it would cost several times that.

Let within(x) be an upper bound of the distance from x to the nearest other vector. Only vectors c with
‖x − c‖ ≤ within(x) matter, and their products are at most limit(x) (see ``encoding.py``). So a block of columns whose
smallest product is above limit(x) is ruled out as a whole. Before anything is picked out of a tile, the true distance
of the pair with the smallest product so far lowers within(x), and with it limit(x).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from .distance import nearest_pairs
from .encoding import EncodedVectors, Encoding
from .picking import places_within
from .plan import SearchPlan
from .table import VectorTable

Distance = Callable[[Tensor, Tensor], Tensor]
ALL = slice(None)
_Pairs = tuple[Tensor, Tensor, Tensor]  # rows, others and products (p,)


def close_pairs(
    left: VectorTable, right: VectorTable, within: Tensor, distance: Distance, blocks: slice = ALL
) -> tuple[Tensor, Tensor]:
    """Rows of ``left`` and rows of ``right``, int64 (p,) and in order, among which are the nearest ones of every row.

    Nearest ones that are farther than ``within`` float64 (n,) may be missing. ``distance(rows, others)`` gives true
    distances, float64 (p,). With ``blocks``, a range of rows that begins and ends with a block or with the table, only
    these rows of ``right`` are looked at, and counted from the first of them.
    """
    comparison = _Comparison(left.encoding, left.encoded, right.padded[blocks], within, distance, right.plan)
    row, other, crowded = comparison.pairs(give_up=True)
    if not len(crowded):
        return row, other
    encoding, encoded = right.doubles
    few = encoding.encode(left.vectors.index_select(0, crowded))
    of_crowded = partial(_of_some, distance, crowded)
    comparison = _Comparison(encoding, few, encoded[blocks], comparison.within[crowded], of_crowded, right.plan)
    more, others, _ = comparison.pairs(give_up=False)
    row, other = torch.cat([row, crowded[more]]), torch.cat([other, others])
    order = torch.argsort(row, stable=True)
    return row[order], other[order]


def _of_some(distance: Distance, some: Tensor, rows: Tensor, others: Tensor) -> Tensor:
    return distance(some[rows], others)


def likely_distances(left: VectorTable, right: VectorTable, within: Tensor, distance: Distance) -> Tensor:
    """``within`` float64 (n,), lowered to the true distance of a row of ``right`` that is likely to be the nearest.

    That is an upper bound of the distance to the nearest one, and cheaper than to list what may be nearest.
    """
    comparison = _Comparison(left.encoding, left.encoded, right.padded, within, distance, right.plan)
    for strip in comparison.strips():
        for _ in strip.tiles():  # each tile lowers the bounds, and no more is wanted
            pass
    return comparison.within


class _Comparison:
    """Two tables in one encoding, ``right`` in whole blocks, and the bounds ``within`` that are known by now."""

    def __init__(
        self,
        encoding: Encoding,
        left: EncodedVectors,
        right: EncodedVectors,
        within: Tensor,
        distance: Distance,
        plan: SearchPlan,
    ) -> None:
        self.encoding, self.distance, self.plan = encoding, distance, plan
        self.left, self.right = left, right
        self.within = within.clone()
        self.farthest = right.uncertain.max().double()
        rows, columns = plan.gpu_tile if left.matrix.is_cuda else plan.tile
        self.width = min(columns, len(right))
        self.height = min(rows * columns // self.width, len(left))
        self.memory = left.halves.new_empty(self.height * self.width)

    def strips(self) -> Iterator["_Strip"]:
        """All rows, some at a time."""
        return (_Strip(self, at) for at in range(0, len(self.left), self.height))

    def pairs(self, give_up: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and others of all pairs that may be nearest, in order; and the rows that are given up.

        If it is allowed to ``give_up``, a row is given up when too many others of one tile are within its limit: to
        gather them and compute their distances would cost more than the row's float64 products with all of them.
        """
        crowd = self.width // self.plan.crowd if give_up else None
        found = [strip.pairs(crowd) for strip in self.strips()]
        row, other, crowded = (torch.cat(part) for part in zip(*found, strict=True))
        return row, other, crowded


class _Strip:
    """Some rows of a comparison, from ``start`` on, and the limits of their products."""

    def __init__(self, comparison: _Comparison, start: int) -> None:
        self.whole, self.start = comparison, start
        rows = slice(start, start + comparison.height)
        self.left, self.within = comparison.left[rows], comparison.within[rows]  # a view: the comparison sees changes
        self.minus = -self.left.matrix
        self.limit = comparison.encoding.limits(self.left, comparison.farthest, self.within)
        self.smallest = self.limit.clone()

    def tiles(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """For one tile after the other: its first column, its products (rows · blocks, columns of a block) and their
        minima (rows, blocks). The limits have been lowered by then."""
        right, width = self.whole.right, self.whole.width
        for first in range(0, len(right), width):
            products = self._products(right[first : first + width]).view(-1, self.whole.plan.block)
            lowest = products.amin(dim=1).view(len(self.left), -1)
            self._lower_by_smallest(first, products, lowest)
            yield first, products, lowest

    def pairs(self, crowd: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """``_Comparison.pairs`` of these rows, which are given up with more than ``crowd`` others in one tile."""
        crowded = torch.zeros(len(self.left), dtype=torch.bool, device=self.limit.device)
        pairs: list[_Pairs] = []
        count, block = 0, self.whole.plan.block
        nothing = _least(self.limit.dtype)
        for first, products, lowest in self.tiles():
            across = lowest.shape[1]
            blocks = places_within(lowest, self.limit.masked_fill(crowded, nothing))
            close = products.index_select(0, blocks)
            inside = places_within(close, self.limit.index_select(0, blocks // across))
            at = (blocks * block).index_select(0, inside // block) + inside % block  # in the tile
            row, column = at // (across * block), first + at % (across * block)
            if crowd is not None:
                crowded |= torch.bincount(row, minlength=len(self.left)) > crowd
            pairs.append((row, column, close.view(-1).index_select(0, inside)))
            count += len(row)
            if count > self.whole.plan.pairs:  # memory holds no more, however close all vectors are
                pairs = [self._settled(*self._kept(pairs, crowded))]
                count = len(pairs[0][0])
        row, other, _ = self._kept(pairs, crowded)
        order = torch.argsort(row, stable=True)  # a row's others ascend already
        row, other = row.index_select(0, order), other.index_select(0, order)
        return self.start + row, other, self.start + crowded.nonzero().squeeze(1)

    def _kept(self, pairs: Sequence[_Pairs], crowded: Tensor) -> _Pairs:
        """The pairs that are still possible: the limits were higher when the first were picked out."""
        row, other, product = (torch.cat(part) for part in zip(*pairs, strict=True))
        limit = self.limit.masked_fill(crowded, _least(self.limit.dtype))
        kept = places_within(product[:, None], limit.index_select(0, row))
        return row.index_select(0, kept), other.index_select(0, kept), product.index_select(0, kept)

    def _settled(self, row: Tensor, other: Tensor, product: Tensor) -> _Pairs:
        """The pairs that are their row's nearest by true distance, of equals the first."""
        apart = self.whole.distance(self.start + row, other)
        kept = nearest_pairs(len(self.left), row, other, apart)
        row, other, product, apart = row[kept], other[kept], product[kept], apart[kept]
        self._lower(row, apart)
        return row, other, product

    def _lower_by_smallest(self, first: int, products: Tensor, lowest: Tensor) -> None:
        """Where a row's smallest product in this tile is its smallest so far, its true distance lowers the limit."""
        smallest = lowest.amin(dim=1)
        row = (smallest <= self.smallest).nonzero().squeeze(1)
        block = lowest.index_select(0, row).argmin(dim=1)
        place = products.index_select(0, row * lowest.shape[1] + block).argmin(dim=1)
        self.smallest[row] = smallest[row]
        column = first + block * self.whole.plan.block + place
        self._lower(row, self.whole.distance(self.start + row, column))

    def _lower(self, row: Tensor, distance: Tensor) -> None:
        """The nearest of these rows are no farther than ``distance`` float64 (r,)."""
        self.within[row] = torch.minimum(self.within[row], distance)
        self.limit[row] = self.whole.encoding.limits(self.left[row], self.whole.farthest, self.within[row])

    def _products(self, right: EncodedVectors) -> Tensor:
        """The products h(c) − x̂·ĉ of these rows x and the columns c."""
        tile = self.whole.memory[: len(self.minus) * len(right)].view(len(self.minus), len(right))
        multiply = torch._int_mm if self.minus.dtype == torch.int8 else torch.mm
        multiply(self.minus, right.matrix.T, out=tile)
        return tile.add_(right.halves)


def _least(kind: torch.dtype) -> float:
    """The least number of this type, below every product."""
    return torch.iinfo(kind).min if kind == torch.int32 else -torch.inf
