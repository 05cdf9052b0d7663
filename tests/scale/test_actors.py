"""Objects on the nodes of a real Ray cluster: asked together, made anew where one is lost, also in a greedy order."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch

from adtrack.detectors.coreset import greedy_order, growing_held_order
from adtrack.detectors.exact.holder import PointHolder
from adtrack.detectors.exact.plan import SearchPlan
from adtrack.errors import UserError
from adtrack.scale.actors import Actors
from tests.clusters import cluster_of
from tests.detectors.samples import clusters

ray = pytest.importorskip("ray", reason="the extra scale is not installed")
POINTS, PLAN = clusters(6000, 8), SearchPlan(active=40)


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A cluster to which this process is connected, and the second of its two nodes."""
    with cluster_of(1, 1) as (found, others):
        yield found, others[0]


@dataclass
class Counter:
    """Counts how often it was asked, in the process that it lives in."""

    number: int
    count: int
    asked: int = 0

    def ask(self, kill: int = -1, signs: Path | None = None) -> tuple[int, int, int]:
        if self.number == kill and signs is not None and not (signs / "killed").exists():
            (signs / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.number == kill and signs is None:
            raise UserError("counters must not be killed.")
        self.asked += 1
        return self.number, self.count, self.asked


def made(number: int, count: int) -> PointHolder:
    ends = (0, 1000, 6000)[: count + 1]
    return PointHolder(POINTS[ends[number] : ends[number + 1]], 400, PLAN, ends[number], len(POINTS))


def dying(holder: PointHolder, work: Callable, signs: Path) -> object:
    if holder.found > 100 and holder.first and not (signs / "killed").exists():
        (signs / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(holder)


@dataclass
class Watched:
    """Actors that something happens to before they are asked for the n-th time."""

    actors: Actors
    happens: Callable[[int], object] = lambda asked: None
    signs: Path | None = None
    asked: int = 0

    def each(self, work: Callable) -> Iterator:
        self.asked += 1
        self.happens(self.asked)
        return self.actors.each(work if self.signs is None else partial(dying, work=work, signs=self.signs))

    def order(self) -> torch.Tensor:
        *_, order = growing_held_order(self, len(POINTS), 400, seed=3, plan=PLAN)
        return order


def test_one_on_each_machine_answers_and_is_made_anew_when_it_is_lost(cluster, tmp_path):
    assert len(Actors(Counter, most=1)) == 1
    actors = Actors(Counter, most=9)
    assert list(actors.each(Counter.ask)) == [(0, 2, 1), (1, 2, 1)]
    assert list(actors.each(partial(Counter.ask, kill=1, signs=tmp_path))) == [(0, 2, 2), (1, 2, 1)]
    with pytest.raises(UserError, match="counters must not be killed"):
        list(actors.each(partial(Counter.ask, kill=0)))


def test_the_order_is_that_of_one_holder_with_a_process_killed_and_a_node_gone(cluster, tmp_path):
    expected = greedy_order(POINTS, 400, seed=3, projection=None)
    killed = Watched(Actors(made, most=2), signs=tmp_path)
    assert killed.order().equal(expected) and (tmp_path / "killed").exists()
    nodes, second = cluster
    gone = Watched(Actors(made, most=2), lambda asked: nodes.remove_node(second) if asked == 30 else None)
    assert gone.order().equal(expected) and gone.asked > 30
