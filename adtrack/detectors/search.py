"""Which bank rows can be the nearest to a query: nearly all are ruled out by products of eight-bit codes."""

import torch
from torch import Tensor

from .closeness import Distance, Table, close_pairs

_DENSE = 2**24  # products held at once where several nearest are asked for


class Search:
    """Candidates for the nearest rows of a bank float32 (M, D)."""

    def __init__(self, patches: Tensor) -> None:
        self._rows = Table.of(patches)

    def candidates(self, queries: Tensor, k: int, distance: Distance) -> tuple[Tensor, Tensor]:
        """Pairs (query, row), ordered so, among which are the k nearest rows of every query float32 (n, D).

        ``distance(query, row)``, both int64 (p,), are true distances float64 (p,).
        """
        if k > 1:
            return self._several(queries, k, distance)
        anywhere = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        table = Table(queries, self._rows.codes)
        return close_pairs(table, self._rows, anywhere, distance)

    def _several(self, queries: Tensor, k: int, distance: Distance) -> tuple[Tensor, Tensor]:
        """``candidates`` for k > 1, of few queries: the k nearest are no farther than any k rows."""
        floats, rows = self._rows.floats
        found = []
        for some in torch.arange(len(queries), device=queries.device).split(max(1, _DENSE // len(rows))):
            left = floats.encode(queries[some])
            products = torch.addmm(rows.halves, left.matrix, rows.matrix.T, alpha=-1.0)
            guess = products.topk(k, dim=1, largest=False).indices
            reach = distance(some.repeat_interleave(k), guess.flatten()).view(-1, k).amax(dim=1)
            query, row = (products <= floats.limits(left, rows.uncertain.max(), reach)[:, None]).nonzero(as_tuple=True)
            found.append((some[query], row))
        queries, rows = (torch.cat(part) for part in zip(*found, strict=True))
        return queries, rows
