"""Greedy order and nearest neighbours against plain float64 loops, on inputs that hypothesis draws.

All coordinates are whole multiples of one power of two and few bits long, so the float64 squares of their differences
and the sums of those are exact in whatever order they are added: what is farthest or nearest, and what ties, is beyond
doubt, and the fast ways must agree to the last bit.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order, projection_matrix
from adtrack.detectors.exact.plan import SearchPlan

from .plans import PLANS

Kind = Callable[[np.random.Generator, int, int], np.ndarray]


def _random(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    return draws.standard_normal((rows, dimensions))


def _clustered(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    centres = 50 * draws.standard_normal((6, dimensions))
    return centres[np.minimum(draws.geometric(0.4, rows) - 1, 5)] + draws.standard_normal((rows, dimensions))


def _like_features(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """Never negative, with a few strong directions."""
    return (draws.standard_normal((rows, 3)) @ draws.standard_normal((3, dimensions))).clip(min=0)


def _duplicated(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    return draws.standard_normal((1 + rows // 4, dimensions))[draws.integers(1 + rows // 4, size=rows)]


def _constant(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    return np.broadcast_to(draws.standard_normal(dimensions), (rows, dimensions))


def _grid(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    return draws.integers(0, 3, (rows, dimensions)).astype(np.float64)


def _lattice(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """Different places of a lattice in few dimensions."""
    vectors, axes = np.zeros((rows, dimensions)), min(dimensions, 3)
    places = np.indices((int(np.ceil(rows ** (1 / axes))),) * axes).reshape(axes, -1).T
    vectors[:, :axes] = draws.permutation(places)[:rows]
    return vectors


def _few_axes(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """One coordinate of each row, of one of two lengths, is not zero: nearly all distances tie."""
    vectors = np.zeros((rows, dimensions))
    vectors[np.arange(rows), draws.integers(dimensions, size=rows)] = draws.integers(1, 3, rows)
    return vectors


def _corners(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """Corners of a cube and, at places, its middle, equally far from all of them."""
    return draws.choice([-1.0, 1.0], (rows, dimensions)) * (draws.random((rows, 1)) < 0.9)


def _far_from_the_origin(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    return 1024 + draws.standard_normal((rows, dimensions))


def _nearly_equal(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """All within the rounding of float32 products, some of them equal: a camera that stands still, and its noise."""
    return 1024 + 2.0**-12 * (draws.random((rows, dimensions)) < 1 / dimensions)


def _with_an_outlier(draws: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    vectors = draws.standard_normal((rows, dimensions)) / 16
    vectors[draws.integers(rows)] = 256
    return vectors


KINDS = (
    _random,
    _clustered,
    _like_features,
    _duplicated,
    _constant,
    _grid,
    _lattice,
    _few_axes,
    _corners,
    _far_from_the_origin,
    _nearly_equal,
    _with_an_outlier,
)


def drawn(kind: Kind, seed: int, most_rows: int = 160) -> tuple[Tensor, np.random.Generator]:
    """Points float32 (N, D), N up to ``most_rows`` and D up to 200, multiples of 2⁻¹² times a power of two, also where
    float32 knows no squares; and the generator, for what else there is to draw. All of it hangs on one number, which
    spreads sizes evenly."""
    draws = np.random.default_rng(seed)
    rows, dimensions = draws.integers(1, most_rows + 1), draws.choice([1, 2, 3, 6, draws.integers(1, 201)])
    plain = np.rint(kind(draws, rows, dimensions) * 2**12) / 2**12
    return torch.from_numpy(np.ldexp(plain, draws.choice([0, 0, -40, -75, -120, 40])).astype(np.float32)), draws


def plain_greedy(points: Tensor, count: int, start: int) -> list[int]:
    """Algorithm 1 of PatchCore as a plain loop in float64; ties to the lowest index."""
    points = points.double().numpy()
    nearest = np.full(len(points), np.inf)
    order = [start]
    while len(order) < count:
        nearest = np.minimum(nearest, np.square(points - points[order[-1]]).sum(axis=1))
        nearest[order] = -1
        order.append(int(nearest.argmax()))
    return order


def plain_nearest(patches: Tensor, queries: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances float32 and rows of the k nearest patches of every query, by float64 differences; ties to the lowest
    row."""
    rows, points = patches.double().numpy(), queries.double().numpy()
    squares = np.stack([np.square(rows - point).sum(axis=1) for point in points])
    nearest = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, nearest, axis=1)).astype(np.float32), nearest


def check_nearest(patches: Tensor, queries: Tensor, k: int, plan: SearchPlan) -> None:
    distances, rows = MemoryBank(patches, plan).nearest(queries, k)
    expected, where = plain_nearest(patches, queries, k)
    np.testing.assert_array_equal(rows.numpy(), where)
    np.testing.assert_array_equal(distances.numpy(), expected)


SEEDS = st.integers(0, 2**64 - 1)
every_kind = pytest.mark.parametrize("kind", KINDS)
every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
few_examples = settings(max_examples=12)  # of every kind


@every_kind
@every_plan
@few_examples
@given(seed=SEEDS)
def test_the_greedy_order_is_that_of_the_plain_loop(kind: Kind, plan: SearchPlan, seed: int) -> None:
    points, draws = drawn(kind, seed)
    count, start = draws.choice([len(points), draws.integers(1, len(points) + 1)]), int(draws.integers(len(points)))
    order = greedy_order(points, count, start=start, projection=None, plan=plan)
    assert order.tolist() == plain_greedy(points, count, start)


@every_kind
@every_plan
@few_examples
@given(seed=SEEDS)
def test_a_part_of_an_order_is_its_beginning_and_can_be_continued(kind: Kind, plan: SearchPlan, seed: int) -> None:
    points, draws = drawn(kind, seed, most_rows=80)
    whole, first = draws.integers(1, len(points) + 1), int(draws.integers(10))
    part = draws.integers(1, whole + 1)
    order = greedy_order(points, whole, seed=first, projection=None, plan=plan)
    beginning = greedy_order(points, part, seed=first, projection=None, plan=plan)
    assert beginning.equal(order[:part])
    assert greedy_order(points, whole, seed=first, projection=None, prefix=beginning, plan=plan).equal(order)


@pytest.mark.parametrize("kind", [_random, _clustered])  # projected rows are no multiples any more: these never tie
@every_plan
@few_examples
@given(seed=SEEDS)
def test_projected_points_are_ordered_by_their_projected_distances(kind: Kind, plan: SearchPlan, seed: int) -> None:
    points, draws = drawn(kind, seed)
    projection, first, count = int(draws.integers(1, 65)), int(draws.integers(10)), 1 + len(points) // 2
    matrix = projection_matrix(points.shape[1], projection, first)
    order = greedy_order(points, count, seed=first, projection=projection, plan=plan)
    assert order.tolist() == plain_greedy(points if matrix is None else points @ matrix, count, int(order[0]))


@every_kind
@every_plan
@few_examples
@given(seed=SEEDS)
def test_the_nearest_are_those_of_brute_force(kind: Kind, plan: SearchPlan, seed: int) -> None:
    points, draws = drawn(kind, seed)
    patches = points[draws.permutation(len(points))[: draws.integers(1, len(points) + 1)]]
    queries = points[draws.permutation(len(points))[: draws.integers(1, len(points) + 1)]]  # some are in the bank
    check_nearest(patches, queries, draws.choice([1, draws.integers(1, len(patches) + 1)]), plan)


@st.composite
def tiny_grids(draw: st.DrawFn) -> Tensor:
    """A handful of rows of small whole numbers, each drawn by itself: a failure shrinks to the least that fails."""
    dimensions = draw(st.integers(1, 3))
    row = st.lists(st.integers(-2, 2), min_size=dimensions, max_size=dimensions)
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=12)), dtype=torch.float32)


@every_plan
@given(data=st.data(), points=tiny_grids())
def test_tiny_inputs(plan: SearchPlan, data: st.DataObject, points: Tensor) -> None:
    start, k = data.draw(st.integers(0, len(points) - 1)), data.draw(st.integers(1, len(points)))
    order = greedy_order(points, len(points), start=start, projection=None, plan=plan)
    check_nearest(points, points, k, plan)
    assert order.tolist() == plain_greedy(points, len(points), start)
