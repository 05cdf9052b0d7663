"""The nearest rows of a bank to any queries: products rule most rows out, and float64 differences decide.

Of equal distances the lowest row comes first. Neither the pieces of the work, nor threads, nor the bounds show in the
result, which is that of ``reference.nearest``.
"""

from functools import cached_property

import torch
from torch import Tensor

from .distance import least_of_each, nearest_pairs, pair_distances
from .distinct import Distinct
from .encoding import EncodedVectors
from .floats import Floats
from .picking import pair_products, places_within
from .plan import SearchPlan
from .table import VectorTable
from .tiles import close_pairs

Pairs = tuple[Tensor, Tensor]  # queries and rows int64 (p,), ordered so


class Search:
    """A bank float32 (M, D) to be searched. Equal rows are looked at as one."""

    def __init__(self, patches: Tensor, plan: SearchPlan) -> None:
        self._patches, self._plan = patches, plan

    @cached_property
    def _distinct(self) -> Distinct:
        return Distinct(self._patches, self._plan.numbers)

    @cached_property
    def _rows(self) -> VectorTable:
        return VectorTable(self._distinct.vectors, self._plan)

    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Distances float32 (n, k), ascending, and rows int64 (n, k) of the k nearest rows to ``queries`` (n, D)."""
        work = self._nearest_one if k == 1 else self._nearest_several
        at_once = self._plan.queries if k == 1 else max(1, self._plan.products // len(self._rows))
        found = [work(part, k) for part in torch.split(queries, at_once)]
        distances, rows = (torch.cat(parts) for parts in zip(*found, strict=True))
        return distances, rows

    def _nearest_one(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """``nearest`` for k = 1, by tiles."""

        def distance(query: Tensor, row: Tensor) -> Tensor:
            return self._distances(queries, query, row)

        anywhere = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        asked = VectorTable(queries, self._plan, self._rows.encoding)
        query, row = self._sifted(queries, *close_pairs(asked, self._rows, anywhere, distance))
        distances = distance(query, row)
        kept = nearest_pairs(len(queries), query, row, distances)
        return distances[kept, None].float(), self._distinct.lowest[row[kept]][:, None]

    def first_bounds(self, queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Distances float32 (n,) that are at least those of the queries float32 (n, D) to the rows int64 (n,).

        The rows are about the nearest of the bank's first ``count``. They cost one float32 product.
        """
        first = self._patches[:count]
        floats = Floats(first.mean(dim=0))
        rows = floats.encode(first)
        found = []
        for part in torch.split(queries, self._plan.bounded):
            left = floats.encode(part)
            products, row = torch.addmm(rows.halves, left.matrix, rows.matrix.T, alpha=-1.0).min(dim=1)
            found.append((floats.reach(left, rows.uncertain[row], products), row))
        distances, nearest = (torch.cat(parts) for parts in zip(*found, strict=True))
        return distances, nearest

    def nearer(self, queries: Tensor, rows: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """The nearest row of each query float32 (n, D) among its own of ``rows`` int64 (n,) and those from ``start`` up
        to ``stop``: distances float64 (n,) and rows int64 (n,).

        Rows close to this range may be among them.
        """
        found = [
            self._nearer(some, known, start, stop)
            for some, known in zip(
                torch.split(queries, self._plan.queries), torch.split(rows, self._plan.queries), strict=True
            )
        ]
        distances, nearest = (torch.cat(parts) for parts in zip(*found, strict=True))
        return distances, nearest

    def _nearer(self, queries: Tensor, rows: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        lowest, block = self._distinct.lowest, self._plan.block
        ends = torch.searchsorted(lowest, torch.tensor([start, stop], device=lowest.device)).tolist()
        first, last = ends[0] // block * block, -(-ends[1] // block) * block

        def distance(query: Tensor, row: Tensor) -> Tensor:
            return self._distances(queries, query, first + row)

        own = torch.arange(len(queries), device=queries.device)
        known = pair_distances(queries, own, self._patches, rows, numbers=self._plan.numbers)
        if first >= last:
            return known, rows
        asked = VectorTable(queries, self._plan, self._rows.encoding)
        query, row = close_pairs(asked, self._rows, known, distance, slice(first, last))
        query, row = self._sifted(queries, query, first + row)
        distances = torch.cat([known, self._distances(queries, query, row)])
        query, row = torch.cat([own, query]), torch.cat([rows, lowest[row]])
        kept = nearest_pairs(len(queries), query, row, distances)
        apart, nearest = known.clone(), rows.clone()
        apart[query[kept]], nearest[query[kept]] = distances[kept], row[kept]  # twice the same if a row is found again
        return apart, nearest

    def _sifted(self, queries: Tensor, query: Tensor, row: Tensor) -> Pairs:
        """Those of some pairs, in order, among which are the nearest of each query's rows, by their float32 products.

        These take a fifth of the time of float64 distances. But the rows must first be brought into float32.
        """
        needless = len(query) - len(queries)
        if needless <= max(len(queries), len(self._rows) // 8) or queries.is_cuda:
            return query, row
        floats, right = self._rows.floats
        left = floats.encode(queries)
        products = right.halves.index_select(0, row) - pair_products(left.matrix, query, right.matrix, row)
        uncertain = left.uncertain.index_select(0, query), right.uncertain.index_select(0, row)
        limits = least_of_each(len(queries), query, floats.alike(*uncertain, products))
        kept = places_within(products[:, None], limits.index_select(0, query))
        return query.index_select(0, kept), row.index_select(0, kept)

    def _nearest_several(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """``nearest`` by products with all rows.

        The k nearest rows are equal to one of the k nearest different rows, of which there may be fewer.
        """
        different = min(k, len(self._rows))
        query, row = self._candidates(queries, different)
        distances = self._distances(queries, query, row)
        first = _first(different, len(queries), query, row, distances).flatten()
        place, twin = self._distinct.twins(self._distinct.lowest[row[first]], k)
        query, distances = query[first][place], distances[first][place]
        first = _first(k, len(queries), query, twin, distances)
        return distances[first].float(), twin[first]

    def _distances(self, queries: Tensor, query: Tensor, row: Tensor) -> Tensor:
        return pair_distances(queries, query, self._rows.vectors, row, numbers=self._plan.numbers)

    def _candidates(self, queries: Tensor, k: int) -> Pairs:
        """Pairs among which are the k nearest rows of every query, by float32 products and, for the queries that these
        leave too many rows, by float64 products."""
        query, row = _by_products(*self._rows.floats, queries, k)
        most = k + len(self._rows) // self._plan.crowd
        crowded = torch.bincount(query, minlength=len(queries)) > most
        if not crowded.any():
            return query, row
        which, few = crowded.nonzero().squeeze(1), ~crowded[query]
        more, others = _by_products(*self._rows.doubles, queries.index_select(0, which), k)
        query, row = torch.cat([query[few], which[more]]), torch.cat([row[few], others])
        order = torch.argsort(query, stable=True)
        return query[order], row[order]


def _by_products(floats: Floats, rows: EncodedVectors, queries: Tensor, k: int) -> Pairs:
    """Pairs among which are the k nearest of ``rows`` to every query float32 (n, D).

    Each product bounds the products of all rows that are as near (``Floats.alike``). So the k nearest rows have
    products within the k-th smallest of these bounds.
    """
    left = floats.encode(queries)
    products = torch.addmm(rows.halves, left.matrix, rows.matrix.T, alpha=-1.0)
    limits = floats.alike(left.uncertain[:, None], rows.uncertain, products).topk(k, dim=1, largest=False).values
    query, row = (products <= limits[:, -1:]).nonzero(as_tuple=True)
    return query, row


def _first(k: int, count: int, query: Tensor, row: Tensor, distances: Tensor) -> Tensor:
    """The places int64 (count, k) of each query's first k pairs, ordered by distance and row."""
    order = torch.argsort(row, stable=True)
    for by in (distances, query):
        order = order[torch.argsort(by[order], stable=True)]
    starts = torch.searchsorted(query[order].contiguous(), torch.arange(count, device=query.device))
    return order[starts[:, None] + torch.arange(k, device=query.device)]
