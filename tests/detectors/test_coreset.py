"""PatchCore's coreset: seeds, projection, covering radius, counts and what is refused."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors import coreset
from adtrack.detectors.coreset import coreset_count, greedy_order, projection_matrix
from adtrack.detectors.exact import reference
from adtrack.errors import UserError
from tests.detectors.exact.plans import SMALL
from tests.detectors.samples import clusters, normal


def radii(features: Tensor, order: Tensor) -> np.ndarray:
    """Covering radius of every prefix of the order."""
    nearest = torch.cdist(features.double(), features[order].double(), compute_mode="donot_use_mm_for_euclid_dist")
    return nearest.cummin(dim=1).values.amax(dim=0).numpy()


def test_seed_draws_start_and_projection_and_nothing_else() -> None:
    features = normal(500, 64)
    orders = [greedy_order(features, 50, seed=seed, projection=8).tolist() for seed in (0, 0, 1, 2)]
    torch.manual_seed(99)
    assert orders[0] == orders[1] == greedy_order(features, 50, seed=0, projection=8).tolist()
    assert len({tuple(order) for order in orders}) == 3 and len({order[0] for order in orders}) == 3


def test_distances_are_measured_after_the_projection() -> None:
    features = normal(400, 64)
    matrix = projection_matrix(64, 8, seed=4)
    assert matrix is not None and matrix.shape == (64, 8)
    projected = greedy_order(features @ matrix, 80, start=0, projection=None)
    assert greedy_order(features, 80, seed=4, start=0, projection=8).equal(projected)
    assert not projected.equal(greedy_order(features, 80, start=0, projection=None))


def test_projection_keeps_distances_approximately() -> None:
    features = normal(60, 512)
    matrix = projection_matrix(512, 128, seed=0)
    ratio = torch.pdist(features @ matrix) / torch.pdist(features)
    assert 0.97 < float(ratio.mean()) < 1.03 and float(ratio.std()) < 0.1
    assert float(ratio.min()) > 0.7 and float(ratio.max()) < 1.3


@pytest.mark.parametrize(("dimensions", "projection"), [(64, None), (64, 64), (64, 128)])
def test_a_projection_that_would_not_shrink_is_left_out(dimensions: int, projection: int | None) -> None:
    assert projection_matrix(dimensions, projection, seed=0) is None


def test_covering_radius_shrinks_and_beats_random_samples() -> None:
    features = clusters(2000, 8)
    greedy = radii(features, greedy_order(features, 60, seed=0, projection=None))
    assert (np.diff(greedy) <= 0).all()
    samples = [torch.randperm(2000, generator=torch.Generator().manual_seed(seed))[:60] for seed in range(10)]
    assert greedy[-1] < 0.5 * min(radii(features, sample)[-1] for sample in samples)


def test_features_are_left_as_they_were() -> None:
    features = normal(100, 8)
    before = features.clone()
    greedy_order(features, 20, projection=None)
    assert features.equal(before)


@pytest.mark.parametrize("count", [-1, 0, 11])
def test_count_must_lie_among_the_patches(count: int) -> None:
    with pytest.raises(UserError, match=rf"between 1 and the number of patches 10, but got {count}"):
        greedy_order(normal(10, 3), count)


@pytest.mark.parametrize("start", [-1, 10])
def test_start_must_be_a_patch(start: int) -> None:
    with pytest.raises(UserError, match=rf"start must be the index of one of 10 patches, but got {start}"):
        greedy_order(normal(10, 3), 2, start=start)


@pytest.mark.parametrize("shape", [(10,), (2, 5, 3), (0, 4), (4, 0)])
def test_features_must_be_a_table(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"features must have shape \(patches, dimensions\)"):
        greedy_order(torch.zeros(shape), 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("projection", [None, 2])
def test_features_must_be_finite(value: float, projection: int | None) -> None:
    features = normal(10, 3)
    features[4, 1] = value
    with pytest.raises(UserError, match="features must be finite"):
        greedy_order(features, 2, projection=projection)


@pytest.mark.parametrize(
    ("fraction", "patches", "count"), [(0.1, 1000, 100), (1.0, 7, 7), (0.015, 100, 2), (0.6, 1, 1)]
)
def test_a_fraction_keeps_a_rounded_count(fraction: float, patches: int, count: int) -> None:
    assert coreset_count(fraction, patches) == count


def test_a_fraction_that_keeps_nothing_is_named() -> None:
    with pytest.raises(UserError, match=r"0\.001 of 100 patches is 0\. Hint: 0\.01 keeps one"):
        coreset_count(0.001, 100)
    with pytest.raises(UserError, match=r"0\.5 of 0 patches is 0"):
        coreset_count(0.5, 0)


@pytest.mark.parametrize("count", [1, 40, 149, 300])
@pytest.mark.parametrize("twins", [False, True])
def test_an_order_does_not_depend_on_how_many_threads_hold_the_points(
    monkeypatch: pytest.MonkeyPatch, count: int, twins: bool
) -> None:
    points = torch.randn(300, 5, generator=torch.Generator().manual_seed(count))
    if twins:  # of points that other threads hold, too
        points = points[torch.randint(150, (300,), generator=torch.Generator().manual_seed(1))]
    expected = reference.greedy_order(points, count, 7)
    held: list[int] = []
    beside = coreset._beside

    def seen(work: Callable[..., object], items: Sequence[object], threads: int) -> Iterator[object]:
        held.append(len(items))
        return beside(work, items, threads)

    monkeypatch.setattr(coreset, "_beside", seen)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found = greedy_order(points, count, start=7, projection=None, plan=replace(SMALL, held_alone=50))
            assert torch.equal(found, expected) and torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert max(held, default=1) == min(5, 1 + 300 // (2 * count))  # all copies of the centres are not too large
