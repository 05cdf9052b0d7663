"""Equal vectors are one vector to a search: a camera that stands still in front of one part fills a bank with them."""

from functools import cached_property

import torch
from torch import Tensor

_CHUNK = 2**16  # numbers that are looked at at once: they stay in the processor's cache


class Distinct:
    """The different ones among ``vectors`` float32 (n, D): ``lowest`` int64 (u,) is the first row of each, ascending.

    Without twins nothing is copied.
    """

    def __init__(self, vectors: Tensor) -> None:
        self._first = first_twins(vectors)
        self.lowest = (self._first == torch.arange(len(vectors), device=vectors.device)).nonzero().squeeze(1)
        self.vectors = vectors if len(self) == len(vectors) else vectors.index_select(0, self.lowest)

    def __len__(self) -> int:
        return len(self.lowest)

    def which(self, rows: Tensor) -> Tensor:
        """The different vectors that ``rows`` int64 (p,) are, counted in the order of ``lowest``: (p,)."""
        return torch.searchsorted(self.lowest, self._first[rows])

    @cached_property
    def _in_order(self) -> tuple[Tensor, Tensor, Tensor]:
        """All rows, twin beside twin; and of each different one where its twins begin and how many they are."""
        _, counts = torch.unique(self._first, return_counts=True)
        return torch.argsort(self._first, stable=True), counts.cumsum(0) - counts, counts

    def twins(self, lowest: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """The rows that are equal to those in ``lowest`` int64 (p,), themselves included, of each the first ``most``.

        That is the place in ``lowest`` that each is a twin of, and the rows, both int64 (q,).
        """
        rows, starts, counts = self._in_order
        which = self.which(lowest)
        counts = counts[which].clamp(max=most)
        place = torch.repeat_interleave(counts)
        nth = torch.arange(len(place), device=place.device) - (counts.cumsum(0) - counts)[place]
        return place, rows[starts[which[place]] + nth]


def first_twins(vectors: Tensor) -> Tensor:
    """Of every row of ``vectors`` float32 (n, D) the first row that is equal to it, itself if none before it is: (n,).

    Rows are sorted by a sum of their bits. Where different rows have the same sum, equal ones may be taken for
    different; never the other way round.
    """
    own = torch.arange(len(vectors), device=vectors.device)
    _, group = torch.unique(_sums(vectors), return_inverse=True)
    first = torch.full_like(own, len(vectors)).scatter_reduce_(0, group, own, reduce="amin")[group]
    again = (first != own).nonzero().squeeze(1)
    for rows in again.split(max(1, _CHUNK // vectors.shape[1])):
        same = (vectors.index_select(0, rows) == vectors.index_select(0, first[rows])).all(dim=1)
        first[rows] = torch.where(same, first[rows], rows)
    return first


def _sums(vectors: Tensor) -> Tensor:
    """int64 (n,): the bits of every row's numbers, each times an odd number of its place, modulo 2⁶⁴."""
    draws = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (vectors.shape[1],), generator=draws).to(vectors.device) * 2 + 1
    sums = torch.empty(len(vectors), dtype=torch.int64, device=vectors.device)
    size = max(1, _CHUNK // vectors.shape[1])
    for part, out in zip(vectors.split(size), sums.split(size), strict=True):
        bits = (part + 0.0).view(torch.int32)  # a zero has a sign, which makes it no other number
        torch.sum(bits * factors, dim=1, out=out)
    return sums
