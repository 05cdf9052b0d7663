"""Which vectors of two sets can be close: their whole distance matrix, looked at tile by tile and never kept.

Every tile is written into the same memory, so it stays in the processor's cache until what is small in it has been
picked out. That makes the whole matrix as cheap as its multiplications; written out, it would cost several times that.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor

from .distance import nearest_pairs
from .encoding import Encoded, Encoding, Floats, padded
from .principal import encoding_of

BLOCK = 64  # columns whose minimum is looked at before they are
# Rows and columns of a product, in whole blocks; fewer columns make more rows.
_TILE = {"cpu": (1024, 4096), "cuda": (8192, 16384)}
# With more than one in so many columns of a tile in its reach, a row's encoding tells too little: to gather one and
# compute its distance costs more than the row's float32 products with so many.
CROWD = 16
_PAIRS = 2**20  # kept of a strip's tiles: more are settled at once, so that memory holds no more, however close all are

Distance = Callable[[Tensor, Tensor], Tensor]
_Pairs = tuple[Tensor, Tensor, Tensor]  # rows, others and products (p,)


class Table:
    """Vectors float32 (n, D) that can be compared with others of the same encoding; all of ``vectors`` or its ``rows``.

    What is not given is computed when it is needed.
    """

    def __init__(
        self,
        vectors: Tensor,
        encoding: Encoding | None = None,
        encoded: Encoded | None = None,
        rows: Tensor | None = None,
    ) -> None:
        self._whole, self._rows = vectors, rows
        self._encoding, self._encoded = encoding, encoded

    def __len__(self) -> int:
        return len(self._whole if self._rows is None else self._rows)

    def __getitem__(self, rows: Tensor) -> "Table":
        return Table(self.vectors, self.encoding, self.encoded[rows], rows)

    @cached_property
    def vectors(self) -> Tensor:
        """The vectors, gathered when they are needed: mostly the encoded ones will do."""
        return self._whole if self._rows is None else self._whole.index_select(0, self._rows)

    @cached_property
    def encoding(self) -> Encoding:
        """The one that was given, else the one that suits these vectors."""
        return encoding_of(self.vectors) if self._encoding is None else self._encoding

    @cached_property
    def encoded(self) -> Encoded:
        """The vectors in their encoding."""
        return self.encoding.encode(self.vectors) if self._encoded is None else self._encoded

    @cached_property
    def blur(self) -> float:
        """About the distance below which their encoding may not tell two of them apart."""
        return self.encoding.blur(self.encoded)

    @cached_property
    def floats(self) -> tuple[Floats, Encoded]:
        """The vectors themselves, for where their encoding turns out to be too coarse; in whole blocks."""
        floats = Floats(self.vectors.mean(dim=0))
        return floats, padded(floats.encode(self.vectors), BLOCK)

    @cached_property
    def doubles(self) -> tuple[Floats, Encoded]:
        """The vectors in float64, for those that float32 does not tell apart; in whole blocks."""
        doubles = Floats.doubles(self.vectors.mean(dim=0))
        return doubles, padded(doubles.encode(self.vectors), BLOCK)

    @cached_property
    def padded(self) -> Encoded:
        """The encoded vectors in whole blocks."""
        return padded(self.encoded, BLOCK)


def close_pairs(left: Table, right: Table, within: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Rows of ``left`` and of ``right``, both (p,) and in order, among which every row's nearest ones are, unless they
    are farther than ``within`` float64 (n,).

    ``distance(rows, others)`` gives true distances, float64 (p,).
    """
    comparison = _Comparison(left.encoding, left.encoded, right.padded, within, distance)
    row, other, crowded = comparison.pairs(give_up=True)
    within = comparison.within
    for doubles in (False, True):
        if not len(crowded):
            return row, other
        encoding, encoded = right.doubles if doubles else right.floats
        few = encoding.encode(left.vectors.index_select(0, crowded))
        of_crowded = partial(_of_some, distance, crowded)
        comparison = _Comparison(encoding, few, encoded, within[crowded], of_crowded)
        more, others, still = comparison.pairs(give_up=not doubles)
        within[crowded] = comparison.within
        row, other = torch.cat([row, crowded[more]]), torch.cat([other, others])
        order = torch.argsort(row, stable=True)
        row, other, crowded = row[order], other[order], crowded[still]
    return row, other


def _of_some(distance: Distance, some: Tensor, rows: Tensor, others: Tensor) -> Tensor:
    return distance(some[rows], others)


def likely_distances(left: Table, right: Table, within: Tensor, distance: Distance) -> Tensor:
    """``within`` float64 (n,), lowered to the true distance of a row of ``right`` that is likely to be the nearest.

    No more than an upper bound, but cheaper than to list what may be nearest.
    """
    comparison = _Comparison(left.encoding, left.encoded, right.padded, within, distance)
    for strip in comparison.strips():
        for _ in strip.tiles():  # each tightens the limits, and no more is wanted
            pass
    return comparison.within


class _Comparison:
    """The products of two tables in one encoding, and how far the rows' nearest are at most by now.

    ``right`` comes in whole blocks.
    """

    def __init__(self, encoding: Encoding, left: Encoded, right: Encoded, within: Tensor, distance: Distance) -> None:
        self.encoding, self.distance = encoding, distance
        self.left, self.right = left, right
        self.within = within.clone()
        self.farthest = right.uncertain.max().double()
        rows, columns = _TILE[left.matrix.device.type]
        self.width = min(columns, len(self.right))
        self.height = min(rows * columns // self.width, len(left))
        self.memory = left.halves.new_empty(self.height * self.width)

    def strips(self) -> Iterator["_Strip"]:
        """All rows, some at a time."""
        return (_Strip(self, at) for at in range(0, len(self.left), self.height))

    def pairs(self, give_up: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Row and other row of all pairs that may be the nearest, in order; and the rows that are given up, where that
        is allowed, as too many others of a tile are in their reach."""
        found = [strip.pairs(self.width // CROWD if give_up else None) for strip in self.strips()]
        row, other, crowded = (torch.cat(part) for part in zip(*found, strict=True))
        return row, other, crowded


class _Strip:
    """Some rows of a comparison from ``start`` on, and what their products cannot exceed for a row to be nearest."""

    def __init__(self, comparison: _Comparison, start: int) -> None:
        self.whole, self.start = comparison, start
        rows = slice(start, start + comparison.height)
        self.left, self.within = comparison.left[rows], comparison.within[rows]  # a view: found out here, known to all
        self.minus = -self.left.matrix
        self.limit = comparison.encoding.limits(self.left, comparison.farthest, self.within)
        self.nearest = self.limit.clone()

    def tiles(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """First column, products (rows · blocks, 64) and their minima (rows, blocks) of one tile after the other, once
        it has tightened the limits."""
        right, width = self.whole.right, self.whole.width
        for first in range(0, len(right), width):
            products = self._products(right[first : first + width]).view(-1, BLOCK)
            lowest = products.amin(dim=1).view(len(self.left), -1)
            self._tighten(first, products, lowest)
            yield first, products, lowest

    def pairs(self, crowd: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """``_Comparison.pairs`` of these rows, which are given up with more than ``crowd`` others of a tile."""
        crowded = torch.zeros(len(self.left), dtype=torch.bool, device=self.limit.device)
        pairs, count = [], 0
        for first, products, lowest in self.tiles():
            blocks = ((lowest <= self.limit[:, None]) & ~crowded[:, None]).flatten().nonzero().squeeze(1)
            row = blocks // lowest.shape[1]
            close = products.index_select(0, blocks)
            pair, place = (close <= self.limit[row, None]).nonzero(as_tuple=True)
            column = first + blocks[pair] % lowest.shape[1] * BLOCK + place
            row = row[pair]
            if crowd is not None:
                crowded |= torch.bincount(row, minlength=len(self.left)) > crowd
            pairs.append((row, column, close[pair, place]))
            count += len(row)
            if count > _PAIRS:
                pairs = [self._settled(*self._kept(pairs, crowded))]
                count = len(pairs[0][0])
        row, other, _ = self._kept(pairs, crowded)
        order = torch.argsort(row, stable=True)  # a row's others ascend already
        return self.start + row[order], other[order], self.start + crowded.nonzero().squeeze(1)

    def _kept(self, pairs: Sequence[_Pairs], crowded: Tensor) -> _Pairs:
        """Those of the ``pairs`` that are still possible: the first limits were looser."""
        row, other, product = (torch.cat(part) for part in zip(*pairs, strict=True))
        kept = ((product <= self.limit[row]) & ~crowded[row]).nonzero().squeeze(1)
        return row[kept], other[kept], product[kept]

    def _settled(self, row: Tensor, other: Tensor, product: Tensor) -> _Pairs:
        """Those of the pairs that are their row's nearest by true distance, of equals the first."""
        apart = self.whole.distance(self.start + row, other)
        kept = nearest_pairs(len(self.left), row, other, apart)
        row, other, product, apart = row[kept], other[kept], product[kept], apart[kept]
        self._lower(row, apart)
        return row, other, product

    def _tighten(self, first: int, products: Tensor, lowest: Tensor) -> None:
        """Where the tile's smallest product is the smallest so far, its true distance is likely to lower the limit."""
        smallest = lowest.amin(dim=1)
        row = (smallest <= self.nearest).nonzero().squeeze(1)
        block = lowest.index_select(0, row).argmin(dim=1)
        column = products.index_select(0, row * lowest.shape[1] + block).argmin(dim=1) + block * BLOCK + first
        self.nearest[row] = smallest[row]
        self._lower(row, self.whole.distance(self.start + row, column))

    def _lower(self, row: Tensor, distance: Tensor) -> None:
        """The nearest of these rows are no farther than ``distance`` float64 (r,)."""
        self.within[row] = torch.minimum(self.within[row], distance)
        self.limit[row] = self.whole.encoding.limits(self.left[row], self.whole.farthest, self.within[row])

    def _products(self, right: Encoded) -> Tensor:
        """c·c/2 − x·c of these rows x and others c."""
        tile = self.whole.memory[: len(self.minus) * len(right)].view(len(self.minus), len(right))
        multiply = torch._int_mm if self.minus.dtype == torch.int8 else torch.mm
        multiply(self.minus, right.matrix.T, out=tile)
        return tile.add_(right.halves)
