"""Tables: the nearest are among the close pairs, however the distance matrix is cut up and wherever codes fail."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from adtrack.detectors.exact.plan import SearchPlan
from adtrack.detectors.exact.table import VectorTable
from adtrack.detectors.exact.tiles import close_pairs, likely_distances


@pytest.fixture(params=["codes", "principal", "principal codes"])
def plan(request: pytest.FixtureRequest) -> SearchPlan:
    """Each encoding, whatever this machine would choose by itself."""
    return SearchPlan(encoding=request.param)


def normal(rows: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, dimensions, generator=torch.Generator().manual_seed(seed))


def exact(left: Tensor, right: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    def distance(rows: Tensor, others: Tensor) -> Tensor:
        return (left[rows].double() - right[others].double()).square().sum(dim=1).sqrt()

    return distance


def pairs(left: Tensor, right: Tensor, plan: SearchPlan, within: float = torch.inf) -> tuple[Tensor, Tensor]:
    table = VectorTable(right, plan)
    limit = torch.full((len(left),), within, dtype=torch.float64)
    return close_pairs(VectorTable(left, plan, table.encoding), table, limit, exact(left, right))


def nearest(left: Tensor, right: Tensor) -> Tensor:
    return torch.stack([(right.double() - row.double()).square().sum(dim=1).argmin() for row in left])


def check(left: Tensor, right: Tensor, plan: SearchPlan, few: float) -> None:
    rows, others = pairs(left, right, plan)
    found = set(zip(rows.tolist(), others.tolist(), strict=True))
    assert all((row, int(other)) in found for row, other in enumerate(nearest(left, right)))
    assert bool((rows[1:] >= rows[:-1]).all()) and bool(((others[1:] > others[:-1]) | (rows[1:] > rows[:-1])).all())
    assert len(found) == len(rows) <= few * len(left)


@pytest.mark.parametrize("tile", [(1024, 4096), (7, 64), (50, 128)])
@pytest.mark.parametrize("crowd", [16, 10**9])  # one in so many: the encoding is given up for every row
def test_the_nearest_are_found_and_little_else(tile: tuple[int, int], crowd: int, plan: SearchPlan) -> None:
    check(normal(90, 32, seed=1), normal(700, 32), replace(plan, tile=tile, crowd=crowd), few=4)


def test_rows_that_an_encoding_cannot_tell_apart_are_compared_in_float64(plan: SearchPlan) -> None:
    right = torch.cat([normal(1, 32) + 0.03 * normal(2000, 32, seed=2), 50 * normal(100, 32, seed=3)])
    left = normal(1, 32) + 0.03 * normal(40, 32, seed=4)
    check(left, right, plan, few=4)
    table, anywhere = VectorTable(right, plan), torch.full((40,), torch.inf, dtype=torch.float64)
    assert "doubles" not in table.__dict__ and "encoded" not in table.__dict__  # nothing before it is needed
    close_pairs(VectorTable(left, plan, table.encoding), table, anywhere, exact(left, right))
    # Floats tell them apart.
    assert ("doubles" in table.__dict__) is (plan.encoding != "principal")


def test_an_outlier_does_not_blur_the_others(plan: SearchPlan) -> None:
    few = {"codes": 4, "principal": 6, "principal codes": 6}[plan.encoding]
    check(normal(40, 32, seed=1), torch.cat([normal(1500, 32), torch.full((1, 32), 1e4)]), plan, few)


def test_only_what_is_within_the_limit_is_found(plan: SearchPlan) -> None:
    left, right = normal(60, 8, seed=1), normal(500, 8)
    distances = torch.cdist(left.double(), right.double()).amin(dim=1)
    limit = float(distances.median())
    rows, _ = pairs(left, right, plan, within=limit)
    found = set(rows.tolist())
    assert {row for row in range(60) if distances[row] <= limit} <= found
    assert len(found) < 45  # of the others only those that the codes cannot be sure of


def test_a_part_of_a_table_is_a_table(plan: SearchPlan) -> None:
    table = VectorTable(normal(30, 4), plan)
    part = table[torch.tensor([3, 1, 4])]
    assert len(part) == 3 and part.vectors.equal(table.vectors[[3, 1, 4]])
    assert part.encoded.matrix.equal(table.encoded.matrix[[3, 1, 4]]) and part.encoding is table.encoding


@pytest.mark.parametrize("within", [torch.inf, 4.0])
def test_likely_distances_are_bounds_and_mostly_the_smallest(within: float, plan: SearchPlan) -> None:
    left, right = normal(90, 32, seed=1), normal(700, 32)
    table = VectorTable(right, plan)
    limit = torch.full((90,), within, dtype=torch.float64)
    found = likely_distances(VectorTable(left, plan, table.encoding), table, limit, exact(left, right))
    smallest = torch.stack(
        [exact(left, right)(torch.tensor([row]), other[None])[0] for row, other in enumerate(nearest(left, right))]
    )
    assert bool((found >= smallest.clamp(max=within)).all())
    assert (
        int((found == smallest.clamp(max=within)).sum())
        > {"codes": 80, "principal": 60, "principal codes": 60}[plan.encoding]
    )
    assert limit.eq(within).all()  # the caller's own
