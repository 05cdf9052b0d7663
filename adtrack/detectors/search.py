"""Which bank rows can be the nearest to a query: nearly all are ruled out by products that cost less than a distance.

To encode the queries costs as much as their float32 products with some rows: a bank of few goes without.
"""

import torch
from torch import Tensor

from . import closeness
from .closeness import Distance, Table, close_pairs
from .encoding import Encoded, Floats

_SMALL = 800_000  # numbers in a bank for which encoding the queries would cost more than it saves
PRODUCTS = 2**22  # held at once
_QUERIES = 8192  # looked at at once where products are not

Pairs = tuple[Tensor, Tensor]  # queries and rows int64 (p,), ordered so


class Search:
    """Candidates for the nearest rows of a bank float32 (M, D)."""

    def __init__(self, patches: Tensor) -> None:
        self._rows = Table(patches)

    def at_once(self, k: int) -> int:
        """How many queries ``candidates`` takes at once, so that memory holds what it finds however close all are."""
        return max(1, PRODUCTS // len(self._rows)) if self._by_products(k) else _QUERIES

    def candidates(self, queries: Tensor, k: int, distance: Distance) -> Pairs:
        """Pairs among which are the k nearest rows of every query float32 (n, D).

        ``distance(query, row)``, both int64 (p,), are true distances float64 (p,).
        """
        if self._by_products(k):
            return self._floats_or_doubles(queries, k)
        anywhere = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        return close_pairs(Table(queries, self._rows.encoding), self._rows, anywhere, distance)

    def _by_products(self, k: int) -> bool:
        """Whether products with all rows are kept at once: for several nearest, and for a small bank."""
        return k > 1 or self._rows.vectors.numel() <= _SMALL

    def _floats_or_doubles(self, queries: Tensor, k: int) -> Pairs:
        """``candidates`` by float32 products and, of queries that these leave too many, by float64 products."""
        query, row = by_products(*self._rows.floats, queries, k)
        many = crowded(query, len(queries), k, len(self._rows))
        if not many.any():
            return query, row
        which, few = many.nonzero().squeeze(1), ~many[query]
        more, others = by_products(*self._rows.doubles, queries.index_select(0, which), k)
        query, row = torch.cat([query[few], which[more]]), torch.cat([row[few], others])
        order = torch.argsort(query, stable=True)
        return query[order], row[order]


def crowded(query: Tensor, count: int, k: int, rows: int) -> Tensor:
    """Which of ``count`` queries have so many pairs with so many ``rows`` that their products tell too little: bool."""
    return torch.bincount(query, minlength=count) > k + rows // closeness.CROWD


def by_products(floats: Floats, rows: Encoded, queries: Tensor, k: int) -> Pairs:
    """Pairs among which are the k nearest of ``rows`` of every query float32 (n, D), by products with all of them."""
    left = floats.encode(queries)
    products = torch.addmm(rows.halves, left.matrix, rows.matrix.T, alpha=-1.0)
    if k == 1:
        return smallest(floats, left.uncertain, rows, products)
    limits = floats.alike(left.uncertain, rows.uncertain, products).topk(k, dim=1, largest=False).values
    query, row = (products <= limits[:, -1:]).nonzero(as_tuple=True)
    return query, row


def smallest(floats: Floats, uncertain: Tensor, rows: Encoded, products: Tensor) -> Pairs:
    """Pairs whose product is as good as its query's smallest, if so much is ``uncertain`` (n,) of the queries.

    ``products`` are (n, M); blocks of rows are looked at before rows.
    """
    blocks = products.view(-1, closeness.BLOCK)
    lowest = blocks.amin(dim=1).view(len(products), -1)
    worst = rows.uncertain.view(-1, closeness.BLOCK).amax(dim=1)
    limit = floats.alike(uncertain, worst, lowest).amin(dim=1)
    query, block = (lowest <= limit[:, None]).nonzero(as_tuple=True)
    near = blocks.index_select(0, query * lowest.shape[1] + block)
    pair, place = (near <= limit[query, None]).nonzero(as_tuple=True)
    return query[pair], block[pair] * closeness.BLOCK + place
