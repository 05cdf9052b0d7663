"""PatchCore's coreset: how many patches it keeps, the random projection, and the greedy order of the projected ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from ..errors import UserError
from ..features.precision import full_precision
from ..features.threads import fixed_threads, side_by_side
from .exact.distance import check_vectors
from .exact.greedy import growing_order
from .exact.holder import PointHolder
from .exact.plan import USUAL, SearchPlan
from .exact.rounds import HeldHere, Holders

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def coreset_count(fraction: float, patches: int) -> int:
    """How many of ``patches`` a fraction keeps. UserError if it keeps none."""
    count = round(fraction * patches)
    if count < 1:
        raise UserError(
            f"coreset fraction must keep at least one patch, but {fraction} of {patches} patches is {count}.",
            f"{1 / patches:.2g} keeps one." if patches else "",
        )
    return count


@lru_cache(maxsize=4)
def projection_matrix(dimensions: int, projection: int | None, seed: int) -> Tensor | None:
    """Gaussian random projection (dimensions, projection) that keeps distances in expectation; None if it would not
    shrink the features (Johnson–Lindenstrauss; PatchCore, section 3.2)."""
    if projection is None or dimensions <= projection:
        return None
    generator = torch.Generator().manual_seed(seed)
    matrix: Tensor = torch.randn(dimensions, projection, generator=generator) / projection**0.5
    return matrix


def greedy_order(
    features: Tensor,
    count: int,
    *,
    seed: int = 0,
    start: int | None = None,
    projection: int | None = 128,
    prefix: Tensor | None = None,
    plan: SearchPlan = USUAL,
) -> Tensor:
    """Indices of the first ``count`` centres of the greedy k-centre order, the start included: int64 (count,).

    The arguments are those of ``growing_greedy_order``, of which it is the last one.
    """
    *_, order = growing_greedy_order(
        features, count, seed=seed, start=start, projection=projection, prefix=prefix, plan=plan
    )
    return order


def growing_greedy_order(
    features: Tensor,
    count: int,
    *,
    seed: int = 0,
    start: int | None = None,
    projection: int | None = 128,
    prefix: Tensor | None = None,
    plan: SearchPlan = USUAL,
) -> Iterator[Tensor]:
    """The greedy k-centre order as far as it has come after every round: at last ``count`` indices int64.

    ``features`` is float32 (N, D). ``start`` is the first centre, drawn from ``seed`` if None. ``projection`` is the
    number of random dimensions that distances are measured in, all D if None. The first k of an order are the order of
    k: a longer one can be continued from ``prefix``, the beginning of the same order. Nothing is computed between two
    rounds, so whoever asks can do other work before the next one.
    """
    if features.ndim != 2 or 0 in features.shape:
        raise UserError(f"features must have shape (patches, dimensions), but got {tuple(features.shape)}.")
    beginning = _beginning(len(features), count, seed, start, prefix)
    matrix = projection_matrix(features.shape[1], projection, seed)
    points = features.float()
    if matrix is not None:
        with fixed_threads():
            points = points @ matrix.to(features.device)
    check_vectors("features", points)
    return _rounds(beginning, _order_here(points.contiguous(), count, beginning, plan))


def growing_held_order(
    holders: Holders, total: int, count: int, *, seed: int, prefix: Tensor | None = None, plan: SearchPlan = USUAL
) -> Iterator[Tensor]:
    """``growing_greedy_order`` of ``total`` points that are held elsewhere, to the last index the same."""
    beginning = _beginning(total, count, seed, None, prefix)
    return _rounds(beginning, growing_order(holders, count, beginning, plan))


def _beginning(total: int, count: int, seed: int, start: int | None, prefix: Tensor | None) -> Tensor:
    """What is known of an order of ``count`` of so many points, at least its start: int64 (any,)."""
    if not 1 <= count <= total:
        raise UserError(f"coreset size must be between 1 and the number of patches {total}, but got {count}.")
    if start is None:
        start = int(torch.randint(total, (1,), generator=torch.Generator().manual_seed(seed)))
    if not 0 <= start < total:
        raise UserError(f"coreset start must be the index of one of {total} patches, but got {start}.")
    return torch.tensor([start]) if prefix is None else prefix[:count].cpu()


def _order_here(points: Tensor, count: int, beginning: Tensor, plan: SearchPlan) -> Iterator[Tensor]:
    holders = _HeldBeside.of(points, count, plan)
    del points  # where there are twins, the holders have copies of the different ones
    yield from growing_order(holders, count, beginning, plan)


@dataclass(frozen=True)
class _HeldBeside:
    """Holders in this process that answer beside each other, each with so many ``threads``: much of what they do is
    small work that several threads could not share."""

    holders: tuple[PointHolder, ...]
    threads: int

    @classmethod
    def of(cls, points: Tensor, count: int, plan: SearchPlan) -> "_HeldBeside | HeldHere":
        """Those of ``points`` float32 (n, D), for an order of ``count`` centres.

        Few points have one holder alone, and so have those on a graphics card. Each holder has all centres, so there
        are no more holders than let all copies together be half as large as the points.
        """
        most = min(torch.get_num_threads(), len(points) // plan.held_alone, 1 + len(points) // (2 * count))
        if most < 2 or points.is_cuda:
            return HeldHere((PointHolder(points, count, plan),))
        ends, threads = [len(points) * part // most for part in range(most + 1)], torch.get_num_threads() // most

        def held(part: tuple[int, int]) -> PointHolder:
            return PointHolder(points[part[0] : part[1]], count, plan, part[0], len(points))

        return cls(tuple(_beside(held, list(pairwise(ends)), threads)), threads)

    def each(self, work: Callable[[PointHolder], Answer]) -> Iterable[Answer]:
        return _beside(work, self.holders, self.threads)


def _beside(work: Callable[[Item], Answer], items: Sequence[Item], threads: int) -> Iterator[Answer]:
    """What ``work`` gives for each of the items, which are worked on at the same time with so many threads each."""

    def with_its_threads(item: Item) -> Answer:
        torch.set_num_threads(threads)
        return work(item)

    return side_by_side(with_its_threads, items, len(items))


def _rounds(beginning: Tensor, orders: Iterator[Tensor]) -> Iterator[Tensor]:
    """The ``beginning`` and the ``orders`` after it, each of which is computed in full precision. What is done between
    two of them is not."""
    order: Tensor | None = beginning
    while order is not None:
        yield order
        with full_precision:
            order = next(orders, None)
