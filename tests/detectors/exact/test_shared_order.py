"""The greedy order of points that several holders share is that of one holder, whoever holds what and is lost."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adtrack.detectors.coreset import greedy_order, growing_held_order
from adtrack.detectors.exact.holder import PointHolder
from adtrack.detectors.exact.plan import USUAL, SearchPlan
from adtrack.detectors.exact.rounds import Answer
from tests.detectors.samples import clusters, normal

from .plans import PLANS
from .test_properties import KINDS, SEEDS, Kind, drawn, plain_greedy


@dataclass
class Elsewhere:
    """Holders of points with bounds at ``ends``, as if they were elsewhere: all they hear and say is pickled. After a
    question in ``lost`` a holder is made anew, before it can answer."""

    points: Tensor
    ends: list[int]
    count: int
    plan: SearchPlan = USUAL
    lost: dict[int, int] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.holders = [self.made(at) for at in range(len(self.ends))]

    def made(self, at: int) -> PointHolder:
        first = self.ends[at - 1] if at else 0
        return PointHolder(self.points[first : self.ends[at]], self.count, self.plan, first, len(self.points))

    def each(self, work: Callable[[PointHolder], Answer]) -> Iterator[Answer]:
        for at in range(len(self.holders)):
            if self.lost.get(self.asked) == at:
                self.holders[at] = self.made(at)
            yield pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(work))(self.holders[at])))  # noqa: S301 - ours
        self.asked += 1

    def order(self, seed: int = 0, prefix: Tensor | None = None) -> Tensor:
        total = len(self.points)
        *_, order = growing_held_order(self, total, self.count, seed=seed, prefix=prefix, plan=self.plan)
        return order


def uneven(draws: np.random.Generator, total: int) -> list[int]:
    """Where up to five shards end, some of them of one row."""
    inner = draws.permutation(np.arange(1, total))[: draws.integers(5)]
    return [*sorted(int(end) for end in inner), total]


@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(KINDS), plan=st.sampled_from(list(PLANS.values())), seed=SEEDS)
def test_the_order_is_that_of_the_plain_loop_whoever_is_lost(kind: Kind, plan: SearchPlan, seed: int) -> None:
    points, draws = drawn(kind, seed, most_rows=50)
    count = int(draws.choice([len(points), draws.integers(1, len(points) + 1)]))
    ends = uneven(draws, len(points))
    lost = {int(question): int(draws.integers(len(ends))) for question in draws.integers(1, 25, int(draws.integers(4)))}
    shared = Elsewhere(points, ends, count, plan, lost)
    first = int(torch.randint(len(points), (1,), generator=torch.Generator().manual_seed(3)))
    order = shared.order(seed=3)
    assert order.tolist() == plain_greedy(points, count, first)
    known = int(draws.integers(1, count + 1))
    assert Elsewhere(points, ends, count, plan).order(prefix=order[:known]).equal(order)


@pytest.mark.parametrize("holders", [1, 2, 5])
def test_many_rounds_of_several_holders(holders: int) -> None:
    points = clusters(20_000, 16)
    ends = [len(points) * (at + 1) ** 2 // holders**2 for at in range(holders)]
    shared = Elsewhere(points, ends, 2000, lost={17: 0, 30: holders - 1})
    assert shared.order(seed=7).equal(greedy_order(points, 2000, seed=7, projection=None)) and shared.asked > 40


def test_twins_held_by_others_follow_by_their_index() -> None:
    points = normal(40, 8).repeat(500, 1)[torch.randperm(20_000, generator=torch.Generator().manual_seed(1))]
    shared = Elsewhere(points, [1, 700, 15_000, 20_000], 9000)
    assert shared.order(seed=2).equal(greedy_order(points, 9000, seed=2, projection=None)) and shared.asked < 20


def test_a_round_asks_for_few_vectors() -> None:
    """What is exchanged grows with the rounds, and not with the points."""
    plan, most = SearchPlan(active=20), 0
    shared = Elsewhere(clusters(8000, 16), [3000, 8000], 300, plan)
    each = shared.each

    def watched(work: Callable[[PointHolder], Answer]) -> Iterator[Answer]:
        nonlocal most
        for answer in each(work):
            most = max(most, len(pickle.dumps(answer)), len(pickle.dumps(work)))
            yield answer

    shared.each = watched
    shared.order()
    assert most < 20 * (16 * 4 + 16) + 512 * 8 + 4000
