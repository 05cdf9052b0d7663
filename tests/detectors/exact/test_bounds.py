"""The farthest patches by bounds against the distances of all patches, on inputs that hypothesis draws."""

import numpy as np
import pytest
import torch
from hypothesis import given

from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.exact import reference
from adtrack.detectors.exact.bounds import Bounds
from adtrack.detectors.exact.plan import SearchPlan

from .plans import PLANS, SMALL
from .test_properties import SEEDS, Kind, drawn, every_kind, every_plan, few_examples

CPU = torch.device("cpu")


def check(bounds: Bounds, patches: torch.Tensor, bank: torch.Tensor, largest: int) -> None:
    """The ``largest`` distances of every image are there, with their rows, where they are; no bound is too low."""
    distances, rows = (part[:, 0].view_as(bounds.row) for part in reference.nearest(bank, patches, 1))
    assert (bounds.distance >= distances).all()
    bar = distances.topk(min(largest, distances.shape[1])).values[:, -1:]
    exact = distances >= bar
    assert bounds.distance[exact].equal(distances[exact]) and bounds.row[exact].equal(rows[exact])
    assert (bounds.distance[~exact] < bar.expand_as(exact)[~exact]).all()
    assert bounds.distance.argmax(dim=1).equal(distances.argmax(dim=1))


@every_kind
@every_plan
@few_examples
@given(seed=SEEDS)
def test_the_largest_distances_are_those_of_all_patches_on_every_rung(kind: Kind, plan: SearchPlan, seed: int) -> None:
    points, draws = drawn(kind, seed, most_rows=60)
    count = int(draws.integers(1, 1 + min(20, len(points))))
    images = len(points) // count
    patches, bank = points[: images * count], points[draws.permutation(len(points))]
    largest, rungs = int(draws.integers(1, 4)), sorted(draws.integers(1, 1 + len(bank), 3).tolist())
    bounds = Bounds.unknown(images, count, CPU)
    bounds.begin(MemoryBank(bank[: rungs[0]], plan), patches)
    for rung in rungs:
        bounds.settle(MemoryBank(bank[:rung], plan), patches.__getitem__, largest)
        check(bounds, patches, bank[:rung], largest)
    # A bank that shares its first rows only, and a smaller one.
    other = torch.cat([bank[: rungs[1]], bank.flip(0)[: int(draws.integers(4))]])
    for rows, rung in ((rungs[1], other), (rungs[0], bank[: rungs[0]])):
        again = bounds.within(rows)
        again.settle(MemoryBank(rung, plan), patches.__getitem__, largest)
        check(again, patches, rung, largest)


@every_kind
@few_examples
@given(seed=SEEDS)
def test_a_bank_that_is_not_begun_with_is_searched_as_well(kind: Kind, seed: int) -> None:
    points, _ = drawn(kind, seed, most_rows=40)
    bounds = Bounds.unknown(1, len(points), CPU)
    bounds.settle(MemoryBank(points.flip(0), SMALL), points.__getitem__)
    check(bounds, points, points.flip(0), 1)


@every_kind
@few_examples
@given(seed=SEEDS)
def test_first_bounds_are_never_below_the_distance_to_their_row(kind: Kind, seed: int) -> None:
    points, _ = drawn(kind, seed, most_rows=60)
    distances, rows = MemoryBank(points.flip(0), SMALL).first_bounds(points)
    apart = reference.distances(points, points.flip(0)).gather(1, rows[:, None])[:, 0]
    assert (distances.double() >= apart).all() and int(rows.max()) < SMALL.first_rows


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_few_patches_are_searched_if_few_are_far(plan: SearchPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = torch.Generator().manual_seed(0)
    bank = torch.randn(600, 8, generator=draws)
    patches = bank.repeat(4, 1) + 0.01 * torch.randn(2400, 8, generator=draws)
    far = [7, 1111, 2399]
    patches[far] += 9.0
    searched: list[int] = []
    nearer = MemoryBank.nearer

    def counted(self: MemoryBank, queries: torch.Tensor, *others: object) -> object:
        searched.append(len(queries))
        return nearer(self, queries, *others)

    monkeypatch.setattr(MemoryBank, "nearer", counted)
    bounds = Bounds.unknown(3, 800, CPU)
    bounds.settle(MemoryBank(bank, plan), patches.__getitem__)
    assert bounds.distance.argmax(dim=1).tolist() == [7, 311, 799]
    searched.clear()
    bounds.settle(MemoryBank(torch.cat([bank, bank + 0.001]), plan), patches.__getitem__)
    assert sum(searched) < 24
    check(bounds, patches, torch.cat([bank, bank + 0.001]), 1)
    assert np.isfinite(bounds.distance.numpy()).all()
