"""Which patches of an image are farthest from a bank, without the distances of the others: a directed Hausdorff
distance.

The distance to any row of the bank bounds the distance to the bank from above. A patch whose bound lies below the
exact distance of another one is not the farthest, and most patches never need to be searched for.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from .plan import SearchPlan


class Bank(Protocol):
    """What is asked of a bank; see ``MemoryBank``."""

    @property
    def plan(self) -> SearchPlan: ...

    def __len__(self) -> int: ...

    def first_bounds(self, queries: Tensor) -> tuple[Tensor, Tensor]: ...

    def nearer(self, queries: Tensor, rows: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]: ...


Vectors = Callable[[Tensor], Tensor]  # of the patches at places int64 (p,), counted through all images: (p, D)


class Bounds:
    """What is known of the distances from the P patches of each of n images to a bank.

    ``distance`` float32 (n, P) is at least a patch's distance to the bank's row ``row`` int64 (n, P). Of the first
    ``seen`` int64 (n, P) rows none is nearer to the patch, nor as near and lower, and if there are any then the
    distance is exact. Where nothing is known the distance is infinite, and the row is the first.
    """

    def __init__(self, distance: Tensor, row: Tensor, seen: Tensor) -> None:
        self.distance, self.row, self.seen = distance, row, seen

    @classmethod
    def unknown(cls, images: int, patches: int, device: torch.device) -> "Bounds":
        """Of patches of which nothing is known."""
        row = torch.zeros(images, patches, dtype=torch.int64, device=device)
        return cls(torch.full(row.shape, torch.inf, device=device), row, torch.zeros_like(row))

    def __getitem__(self, images: slice) -> "Bounds":
        """Those of some images: a view, in which changes are changes of the whole."""
        return Bounds(self.distance[images], self.row[images], self.seen[images])

    def within(self, rows: int) -> "Bounds":
        """What they say about a bank of which only the first ``rows`` are the same."""
        known = self.row < rows
        return Bounds(
            torch.where(known, self.distance, torch.inf),
            torch.where(known, self.row, 0),
            torch.where(known, self.seen.clamp(max=rows), 0),
        )

    def begin(self, bank: Bank, patches: Tensor) -> None:
        """Bound the distances of all patches float32 (n · P, D)."""
        distance, row = bank.first_bounds(patches)
        self.distance.copy_(distance.view_as(self.distance))
        self.row.copy_(row.view_as(self.row))

    def settle(self, bank: Bank, vectors: Vectors, largest: int = 1) -> None:
        """Lower the bounds until the ``largest`` distances of every image are exact, and all that equal them."""
        rows = len(bank)
        for goal in _goals(rows, *bank.plan.goals):
            leading = self._highest(max(largest, bank.plan.leaders))
            self._lower(leading[self._open(rows, largest).flatten()[leading]], rows, bank, vectors)
            places = self._open(rows, largest) & (self.seen < goal)
            self._lower(places.flatten().nonzero().squeeze(1), goal, bank, vectors)

    def _highest(self, count: int) -> Tensor:
        """The places int64 (p,) of the ``count`` patches of each image that have the highest bounds."""
        images, patches = self.distance.shape
        top = self.distance.topk(min(count, patches), dim=1).indices
        return (top + patches * torch.arange(images, device=top.device)[:, None]).flatten()

    def _open(self, rows: int, largest: int) -> Tensor:
        """Which patches may be among the ``largest`` of their image by distance to the first ``rows``, and are not
        exact: bool (n, P)."""
        exact = self.seen >= rows
        known = torch.where(exact, self.distance, -torch.inf)
        bar = known.topk(min(largest, known.shape[1]), dim=1).values[:, -1:]
        return ~exact & (self.distance >= bar)

    def _lower(self, places: Tensor, goal: int, bank: Bank, vectors: Vectors) -> None:
        """Search the first ``goal`` rows for those of the patches at these places that have not seen them."""
        distance, row, seen = self.distance.view(-1), self.row.view(-1), self.seen.view(-1)
        places = places[seen[places] < goal]
        for some in torch.split(places, bank.plan.queries) if len(places) else ():
            start = int(seen[some].min())
            distance[some], row[some] = bank.nearer(vectors(some), row[some], start, goal)
            seen[some] = goal


def _goals(rows: int, first: int, times: int) -> Iterator[int]:
    """Numbers of rows that rise to all. A few rows tell of most patches that they are close to the bank."""
    while 2 * first < rows:
        yield first
        first *= times
    yield rows
