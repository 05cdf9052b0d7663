"""Numbers of any size that float32 has, from 1e-45 to 1e16: order and neighbours are those of float64 differences.

Below 1e-19 float32 knows no squares, below 1e-38 only numbers of few digits, and a processor may be told to take these
for zero.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order
from adtrack.detectors.exact import reference
from adtrack.detectors.exact.plan import SearchPlan

from .plans import PLANS, count_pairs

few_examples = settings(max_examples=8)
SHAPES = {
    "one size": lambda rows, dimensions: (1, 1),
    "rows of their own": lambda rows, dimensions: (rows, 1),
    "columns of their own": lambda rows, dimensions: (1, dimensions),
    "each its own": lambda rows, dimensions: (rows, dimensions),
}


def drawn(sizes: str, seed: int, least: float) -> tuple[Tensor, np.random.Generator]:
    """Points float32 (N, D) of small whole numbers times powers of ten from ``least`` up to 15, half of the times near
    where squares vanish; and the generator, for what else there is to draw."""
    draws = np.random.default_rng(seed)
    rows, dimensions = draws.integers(2, 100), draws.choice([1, 2, 3, draws.integers(1, 120)])
    low, high = (max(-24.0, least), -16.0) if draws.random() < 0.5 else (least, 15.0)
    powers = 10.0 ** draws.uniform(low, high, SHAPES[sizes](rows, dimensions))
    numbers = draws.integers(-3, 4, (rows, dimensions)) * powers
    return torch.from_numpy(numbers.astype(np.float32)), draws


@contextmanager
def without_small_numbers(flushed: bool) -> Iterator[None]:
    """As where a library has told the processor to take results below 1e-38 for zero."""
    if flushed and not torch.set_flush_denormal(True):
        pytest.skip("this processor knows all float32 numbers")
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("flushed", [False, True])
@few_examples
@given(seed=st.integers(0, 2**64 - 1))
def test_order_and_neighbours_are_those_of_float64(sizes: str, plan: SearchPlan, flushed: bool, seed: int) -> None:
    points, draws = drawn(sizes, seed, -30.0 if flushed else -45.0)
    start, k = int(draws.integers(len(points))), int(draws.integers(1, len(points) + 1))
    queries = torch.cat([points[::3], points.flip(1)[:20]])
    with without_small_numbers(flushed):
        order = greedy_order(points, len(points), start=start, projection=None, plan=plan)
        found = {count: MemoryBank(points, plan).nearest(queries, count) for count in (1, k)}
    assert order.equal(reference.greedy_order(points, len(points), start))
    expected, where = torch.sort(reference.distances(queries, points), dim=1, stable=True)
    for count, (distances, rows) in found.items():
        assert rows.equal(where[:, :count])
        assert flushed or distances.equal(expected[:, :count].float())


def test_where_squares_vanish_few_pairs_are_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right is not enough: a bank whose every row looked alike took minutes."""
    counts = count_pairs(monkeypatch)
    patches, queries = (
        1e-21 * torch.randn(count, 150, generator=torch.Generator().manual_seed(count)) for count in (6000, 40)
    )
    _, rows = MemoryBank(patches).nearest(queries)
    assert rows.squeeze(1).equal(reference.distances(queries, patches).argmin(dim=1)) and sum(counts) < 40 * 400
