"""Which bank rows can be the nearest to a query: nearly all are ruled out by products of eight-bit codes.

Codes of the queries cost as much as float32 products with some thousand rows: a bank of fewer goes without.
"""

import torch
from torch import Tensor

from . import closeness
from .closeness import Distance, Table, close_pairs

_SMALL = 2048  # rows of a bank for which the codes of the queries would cost more than they save
_PRODUCTS = 2**22  # held at once


class Search:
    """Candidates for the nearest rows of a bank float32 (M, D)."""

    def __init__(self, patches: Tensor) -> None:
        self._rows = Table.of(patches)

    def candidates(self, queries: Tensor, k: int, distance: Distance) -> tuple[Tensor, Tensor]:
        """Pairs (query, row), ordered so, among which are the k nearest rows of every query float32 (n, D).

        ``distance(query, row)``, both int64 (p,), are true distances float64 (p,).
        """
        if k > 1 or len(self._rows) <= _SMALL:
            return self._by_products(queries, k)
        anywhere = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        return close_pairs(Table(queries, self._rows.codes), self._rows, anywhere, distance)

    def _by_products(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """``candidates`` by float32 products with all rows: for several nearest, and for a small bank."""
        floats, rows = self._rows.floats
        found = []
        height = max(1, _PRODUCTS // len(rows))
        for start in range(0, len(queries), height):
            left = floats.encode(queries[start : start + height])
            products = torch.addmm(rows.halves, left.matrix, rows.matrix.T, alpha=-1.0)
            lowest = products.view(len(left), -1, closeness.BLOCK).amin(dim=2)
            likely, row = _smallest(products, lowest) if k == 1 else products.topk(k, dim=1, largest=False)
            limit = floats.alike(left, rows.uncertain[row], likely).amax(dim=1, keepdim=True)
            query, block = (lowest <= limit).nonzero(as_tuple=True)
            pair, place = (_blocks(products, query, block) <= limit[query]).nonzero(as_tuple=True)
            found.append((start + query[pair], block[pair] * closeness.BLOCK + place))
        query, row = (torch.cat(part) for part in zip(*found, strict=True))
        return query, row


def _blocks(products: Tensor, query: Tensor, block: Tensor) -> Tensor:
    """Of products (n, M) those in the blocks, both (p,): (p, 64)."""
    return products.view(-1, closeness.BLOCK).index_select(0, query * (products.shape[1] // closeness.BLOCK) + block)


def _smallest(products: Tensor, lowest: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest of each row of products (n, M), whose blocks' smallest are known, and its place: (n, 1)."""
    block = lowest.argmin(dim=1)
    smallest, place = _blocks(products, torch.arange(len(block), device=block.device), block).min(dim=1, keepdim=True)
    return smallest, block[:, None] * closeness.BLOCK + place
