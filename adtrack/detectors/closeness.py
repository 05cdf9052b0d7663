"""Which vectors of two sets can be close: their whole distance matrix, looked at tile by tile and never kept.

Every tile is written into the same memory, so it stays in the processor's cache until what is small in it has been
picked out. That makes the whole matrix as cheap as its multiplications; written out, it would cost several times that.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from .encoding import Codes, Encoded, Encoding, Floats, padded

_BLOCK = 64  # columns whose minimum is looked at before they are
# Rows and columns of a product, in whole blocks; fewer columns make more rows.
_TILE = {"cpu": (1024, 4096), "cuda": (8192, 16384)}
_CROWD = 20  # blocks of a tile in reach of a row: with more, codes tell it too little

Distance = Callable[[Tensor, Tensor], Tensor]


class Table:
    """Vectors float32 (n, D) that can be compared with others of the same codes."""

    def __init__(self, vectors: Tensor, codes: Codes, coded: Encoded | None = None) -> None:
        self.vectors = vectors
        self.codes = codes
        self.coded = codes.encode(vectors) if coded is None else coded

    @classmethod
    def of(cls, vectors: Tensor) -> "Table":
        """With codes of its own."""
        return cls(vectors, Codes.of(vectors))

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Tensor) -> "Table":
        return Table(self.vectors[rows], self.codes, self.coded[rows])

    @cached_property
    def floats(self) -> tuple[Floats, Encoded]:
        """The vectors themselves, encoded when codes turn out to be too coarse."""
        floats = Floats(self.vectors.mean(dim=0))
        return floats, floats.encode(self.vectors)


def close_pairs(left: Table, right: Table, within: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Rows of ``left`` and of ``right``, both (p,) and in order, among which every row's nearest ones are, unless they
    are farther than ``within`` float64 (n,).

    ``distance(rows, others)`` gives true distances, float64 (p,).
    """
    coarse = _Comparison(left.codes, left.coded, right.coded, within, distance)
    row, other, crowded = coarse.pairs(crowd=_CROWD)
    if not len(crowded):
        return row, other
    floats, encoded = right.floats

    def of_crowded(rows: Tensor, others: Tensor) -> Tensor:
        return distance(crowded[rows], others)

    few = floats.encode(left.vectors[crowded])
    more, others, _ = _Comparison(floats, few, encoded, coarse.within[crowded], of_crowded).pairs()
    row, other = torch.cat([row, crowded[more]]), torch.cat([other, others])
    order = torch.argsort(row, stable=True)
    return row[order], other[order]


class _Comparison:
    """The products of two tables in one encoding, and how far the rows' nearest are at most by now."""

    def __init__(self, encoding: Encoding, left: Encoded, right: Encoded, within: Tensor, distance: Distance) -> None:
        self.encoding, self.distance = encoding, distance
        self.left, self.right = left, padded(right, _BLOCK)
        self.within = within.clone()
        self.farthest = right.uncertain.max().double()
        rows, columns = _TILE[left.matrix.device.type]
        self.width = min(columns, len(self.right))
        self.height = min(rows * columns // self.width, len(left))
        self.memory = left.halves.new_empty(self.height * self.width)

    def pairs(self, crowd: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Row and other row of all pairs that may be the nearest, in order; and the rows that have more than ``crowd``
        blocks of a tile in reach, which are given up."""
        strips = [self._strip(slice(at, at + self.height), crowd) for at in range(0, len(self.left), self.height)]
        row, other, crowded = (torch.cat(part) for part in zip(*strips, strict=True))
        return row, other, crowded

    def _strip(self, rows: slice, crowd: int | None) -> tuple[Tensor, Tensor, Tensor]:
        left, within = self.left[rows], self.within[rows]  # a view: what is found out here is known to all
        minus = -left.matrix
        limit = self.encoding.limits(left, self.farthest, within)
        nearest = limit.clone()
        crowded = torch.zeros(len(left), dtype=torch.bool, device=limit.device)
        pairs = []
        for first in range(0, len(self.right), self.width):
            blocks = self._tile(minus, self.right[first : first + self.width])
            lowest = blocks.amin(dim=2)
            smallest = lowest.amin(dim=1)
            # Where the tile's smallest is the smallest so far, its true distance is likely to tighten the limit.
            row = (smallest <= nearest).nonzero().squeeze(1)
            block = lowest[row].argmin(dim=1)
            column = first + block * _BLOCK + blocks[row, block].argmin(dim=1)
            nearest[row] = smallest[row]
            within[row] = torch.minimum(within[row], self.distance(rows.start + row, column))
            limit[row] = self.encoding.limits(left[row], self.farthest, within[row])
            row, block = (lowest <= limit[:, None]).nonzero(as_tuple=True)
            if crowd is not None:
                crowded |= torch.bincount(row, minlength=len(left)) > crowd
            close = blocks[row, block]
            pair, column = (close <= limit[row, None]).nonzero(as_tuple=True)
            pairs.append((row[pair], first + block[pair] * _BLOCK + column, close[pair, column]))
        row, other, product = (torch.cat(part) for part in zip(*pairs, strict=True))
        kept = ((product <= limit[row]) & ~crowded[row]).nonzero().squeeze(1)  # the first limits were looser
        order = kept[torch.argsort(row[kept], stable=True)]  # a row's others ascend already
        return rows.start + row[order], other[order], rows.start + crowded.nonzero().squeeze(1)

    def _tile(self, minus: Tensor, right: Encoded) -> Tensor:
        """c·c/2 − x·c of some rows x and others c: (rows, blocks, 64)."""
        tile = self.memory[: len(minus) * len(right)].view(len(minus), len(right))
        multiply = torch._int_mm if minus.dtype == torch.int8 else torch.mm
        multiply(minus, right.matrix.T, out=tile)
        return tile.add_(right.halves).view(len(minus), -1, _BLOCK)
