"""Rounds of the greedy order: most points are left alone for most of them.

Let gap(p) be the distance of a point p to its nearest centre so far. The next centre is the point with the largest gap.
Two inequalities save the work:

    A new centre can only lower a gap:              gap after ≤ gap before.
    The distance to any centre c bounds a gap:      gap(p) ≤ ‖p − c‖.

So a point with gap(p) < θ, or only with ‖p − c‖ < θ for one centre c, cannot be chosen while any point's gap is θ or
more. A round sets a threshold θ that few points reach by what is known of them, compares these with the centres that
they have missed, and runs the plain loop among the points that stay at θ or above. Most points fall below θ at one of
the first centres that they are compared with.

The points may be shared out over several holders, here or on other machines. A round tells each of them θ and the new
centres, and gets the candidates, of which it needs the farthest alone.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from .distance import mutual_distances
from .holder import Leading, News, PointHolder, Reached
from .plan import SearchPlan

Answer = TypeVar("Answer")
_NOTHING_KNOWN = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.float64)


class Holders(Protocol):
    """Those who hold the points, in the order of their points.

    One that is lost and made again has its points, but no centres: its answers say so, and it is told them once more.
    """

    def each(self, work: Callable[[PointHolder], Answer]) -> Iterable[Answer]:
        """What ``work`` gives for each holder, in their order. It can be pickled."""
        ...


@dataclass(frozen=True)
class HeldHere:
    """Holders in this process."""

    holders: tuple[PointHolder, ...]

    def each(self, work: Callable[[PointHolder], Answer]) -> Iterator[Answer]:
        return (work(holder) for holder in self.holders)


class Rounds:
    """The order of the points that ``holders`` hold, as far as it has been ``found``: the first of ``order`` int64
    (count,). ``over`` says that all other points are equal to one of these."""

    def __init__(self, holders: Holders, count: int, beginning: Tensor, plan: SearchPlan) -> None:
        self._holders, self._plan = holders, plan
        self.order = torch.empty(count, dtype=torch.int64)
        self.order[: len(beginning)] = beginning
        self.found = len(beginning)
        self._leading = self._tell_nothing()

    @property
    def over(self) -> bool:
        return bool(self._largest <= 0)

    @property
    def _largest(self) -> Tensor:
        return torch.stack([leading.largest for leading in self._leading]).max()

    def next(self) -> None:
        """Add centres until no point has a gap above the round's threshold."""
        threshold = self._threshold()
        reached = self._ask(partial(PointHolder.reaching, found=self.found, threshold=threshold))
        if any(some.count for some in reached):
            self._leading = self._choose_among(reached, threshold)
        else:  # bounds have been lowered, below this threshold
            self._leading = self._tell_nothing()

    def _threshold(self) -> Tensor:
        """A threshold that ``plan.sample_above`` points of the sample reach, and one point at least."""
        some = torch.cat([leading.gaps for leading in self._leading])
        above = torch.topk(some, min(self._plan.sample_above, len(some))).values
        return above[-1].clamp(min=0).minimum(self._largest)

    def _choose_among(self, reached: list[Reached], threshold: Tensor) -> list[Leading]:
        """The plain greedy loop among these points, whose gaps are exact, while one is at ``threshold`` or above."""
        indices, gap = torch.cat([some.indices for some in reached]), torch.cat([some.gaps for some in reached])
        last = int(indices[-1])
        if sum(some.count for some in reached) > self._plan.active:
            # Only the farthest, of equals the first: none of the others comes before the last of these.
            farthest = torch.argsort(gap, descending=True, stable=True)[: self._plan.active]
            threshold, last = gap[farthest[-1]], int(indices[farthest[-1]])
            farthest = farthest.sort().values
            indices, gap = indices[farthest], gap[farthest]
        vectors = self._vectors(indices)
        mutual = mutual_distances(vectors)
        chosen: list[Tensor] = []
        for farthest, places in _plain_loop(gap, mutual, self._plan.steps):
            in_turn = (farthest > threshold) | ((farthest == threshold) & (indices[places] <= last))
            in_turn &= farthest > 0  # a twin of a centre waits until only twins are left
            chosen.append(places[in_turn])  # the first of them: gaps fall, and among equal ones the indices rise
            if len(chosen[-1]) < len(places):
                break
        places = torch.cat(chosen)[: len(self.order) - self.found]
        new = slice(self.found, self.found + len(places))
        self.order[new] = indices[places].cpu()
        gap = torch.minimum(gap, mutual[:, places].amin(dim=1))
        told = self._tell(News(self.found, indices[places], vectors[places], indices, gap))
        self.found = new.stop
        return told

    def _vectors(self, indices: Tensor) -> Tensor:
        """The vectors float32 (m, D) of points, wherever they are held."""
        found = list(self._holders.each(partial(PointHolder.vectors, indices=indices)))
        vectors = found[0][1].new_empty(len(indices), found[0][1].shape[1])
        for places, some in found:
            vectors[places] = some
        return vectors

    def _tell_again(self) -> None:
        """Tell all holders all centres, some at a time."""
        size = 8 * self._plan.rows
        for first in range(0, self.found, size):
            indices = self.order[first : min(first + size, self.found)].clone()  # a view takes its whole along
            news = News(first, indices, self._vectors(indices), *_NOTHING_KNOWN)
            list(self._holders.each(partial(PointHolder.learn, news=news)))

    def _tell_nothing(self) -> list[Leading]:
        nothing = torch.empty(0)
        return self._tell(News(self.found, nothing.long(), nothing, *_NOTHING_KNOWN))

    def _tell(self, news: News) -> list[Leading]:
        return self._ask(partial(PointHolder.learn, news=news))

    def _ask(self, question: Callable[[PointHolder], Answer | None]) -> list[Answer]:
        """The answers of all holders. Those who have missed centres are told them first."""
        while True:
            answers = list(self._holders.each(question))
            known = [answer for answer in answers if answer is not None]
            if len(known) == len(answers):
                return known
            self._tell_again()


def _plain_loop(gap: Tensor, mutual: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The gap and the place of the farthest point, which then becomes a centre, and so on, ``steps`` at a time.

    ``gap`` (n,) is the distance of each point to its nearest centre, ``mutual`` (n, n) the distances between points.
    """
    while True:
        gaps, places = [], []
        for _ in range(steps):
            farthest, place = gap.max(dim=0, keepdim=True)  # the first of equals
            gap = torch.minimum(gap, mutual.index_select(0, place)[0]).index_fill_(0, place, -1.0)
            gaps.append(farthest)
            places.append(place)
        yield torch.cat(gaps), torch.cat(places)
