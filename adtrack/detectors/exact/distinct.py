"""Equal vectors, taken together: a camera that stands still in front of one part fills a bank with them."""

from functools import cached_property

import torch
from torch import Tensor

_NUMBERS = 2**16  # so many numbers are looked at together, which stay in the processor's cache


class Distinct:
    """The different vectors among ``vectors`` float32 (n, D).

    ``lowest`` int64 (u,) is the first row of each, ascending. Without twins nothing is copied.
    """

    def __init__(self, vectors: Tensor, numbers: int = _NUMBERS) -> None:
        self._first = first_twins(vectors, numbers)
        self.lowest = (self._first == torch.arange(len(vectors), device=vectors.device)).nonzero().squeeze(1)
        self.vectors = vectors if len(self) == len(vectors) else vectors.index_select(0, self.lowest)

    def __len__(self) -> int:
        return len(self.lowest)

    def which(self, rows: Tensor) -> Tensor:
        """The places in ``lowest`` of the vectors that ``rows`` int64 (p,) are equal to: int64 (p,)."""
        return torch.searchsorted(self.lowest, self._first[rows])

    @cached_property
    def _in_order(self) -> tuple[Tensor, Tensor, Tensor]:
        """All rows with twins side by side; and for each different vector, where its twins begin and their number."""
        _, counts = torch.unique(self._first, return_counts=True)
        return torch.argsort(self._first, stable=True), counts.cumsum(0) - counts, counts

    def twins(self, lowest: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """All rows that are equal to the rows ``lowest`` int64 (p,), themselves included, but ``most`` for each.

        Gives for each twin its place in ``lowest`` and its row, both int64 (q,), in order.
        """
        rows, starts, counts = self._in_order
        which = self.which(lowest)
        counts = counts[which].clamp(max=most)
        place = torch.repeat_interleave(counts)
        nth = torch.arange(len(place), device=place.device) - (counts.cumsum(0) - counts)[place]
        return place, rows[starts[which[place]] + nth]


def first_twins(vectors: Tensor, numbers: int = _NUMBERS) -> Tensor:
    """For every row of ``vectors`` float32 (n, D) the first row that is equal to it, which may be itself: int64 (n,).

    Rows are grouped by a sum of their bits. Where different rows have the same sum, equal rows may be taken for
    different ones, but never the other way round.
    """
    own = torch.arange(len(vectors), device=vectors.device)
    size = max(1, numbers // vectors.shape[1])
    _, group = torch.unique(_sums(vectors, size), return_inverse=True)
    first = torch.full_like(own, len(vectors)).scatter_reduce_(0, group, own, reduce="amin")[group]
    again = (first != own).nonzero().squeeze(1)
    for rows in torch.split(again, size):
        same = (vectors.index_select(0, rows) == vectors.index_select(0, first[rows])).all(dim=1)
        first[rows] = torch.where(same, first[rows], rows)
    return first


def _sums(vectors: Tensor, size: int) -> Tensor:
    """The sum over each row of its numbers' bits, each multiplied by an odd number, modulo 2⁶⁴: int64 (n,)."""
    draws = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (vectors.shape[1],), generator=draws).to(vectors.device) * 2 + 1
    sums = torch.empty(len(vectors), dtype=torch.int64, device=vectors.device)
    for part, out in zip(torch.split(vectors, size), torch.split(sums, size), strict=True):
        bits = (part + 0.0).view(torch.int32)  # −0 and 0 are one number with two patterns of bits
        torch.sum(bits * factors, dim=1, out=out)
    return sums
