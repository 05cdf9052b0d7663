"""Distances of pairs: right, and the same bits however many are computed at once."""

import pytest
import torch
from torch import Tensor

from adtrack.detectors.exact import reference
from adtrack.detectors.exact.distance import check_vectors, mutual_distances, pair_distances
from adtrack.errors import UserError


def normal(rows: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, dimensions, generator=torch.Generator().manual_seed(seed))


def some_pairs(rows: int, others: int, count: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(3)
    return torch.randint(rows, (count,), generator=draws), torch.randint(others, (count,), generator=draws)


@pytest.mark.parametrize("dimensions", [1, 7, 128, 1000])
def test_distances_are_euclidean(dimensions: int) -> None:
    left, right = normal(50, dimensions), 1e3 * normal(60, dimensions, seed=1)
    rows, others = some_pairs(50, 60, 400)
    found = pair_distances(left, rows, right, others)
    expected = torch.linalg.vector_norm(left.double()[rows] - right.double()[others], dim=1)
    assert found.dtype == torch.float64 and torch.allclose(found, expected, rtol=1e-14, atol=0)
    single = pair_distances(left, rows, right, others, torch.float32)
    assert single.dtype == torch.float32 and torch.allclose(single.double(), expected, rtol=1e-5, atol=0)


def test_bits_are_the_pairs_own() -> None:
    left, right = normal(50, 100), normal(60, 100, seed=1)
    rows, others = some_pairs(50, 60, 400)
    found = pair_distances(left, rows, right, others)
    assert found.equal(pair_distances(left, rows, right, others, numbers=300))
    assert found.equal(reference.distances(left, right)[rows, others])
    assert found.equal(pair_distances(right, others, left, rows))  # from the other end
    every = mutual_distances(torch.cat([left, right]))
    assert found.equal(every[rows, 50 + others]) and every.equal(every.T) and not every.diagonal().any()


def test_twins_are_at_no_distance() -> None:
    twins = 1e-3 * normal(1, 300).repeat(2, 1) + 1e4
    assert pair_distances(twins, torch.tensor([0]), twins, torch.tensor([1])).tolist() == [0.0]
    assert mutual_distances(twins).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_no_pairs_have_no_distances() -> None:
    nothing = torch.empty(0, dtype=torch.int64)
    assert pair_distances(normal(3, 4), nothing, normal(5, 4), nothing).shape == (0,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e16, -3e38])
def test_vectors_must_be_numbers_whose_squares_are_numbers(value: float) -> None:
    vectors = normal(5000, 3)
    check_vectors("queries", vectors)
    vectors[4500, 1] = value
    with pytest.raises(UserError, match="queries must be finite numbers below 1e\\+16, but some are NaN, infinite or"):
        check_vectors("queries", vectors)


def test_the_largest_that_are_taken_have_distances() -> None:
    opposite = torch.full((2, 4096), 9.9e15) * torch.tensor([[1.0], [-1.0]])
    check_vectors("queries", opposite)
    far = pair_distances(opposite, torch.tensor([0]), opposite, torch.tensor([1]), torch.float32)
    assert far.item() == pytest.approx(2 * 9.9e15 * 64, rel=1e-4)  # summed one after the other
