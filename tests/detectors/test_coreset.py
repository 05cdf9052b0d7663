"""Greedy k-centre: the plain loop's order, whatever the features; prefixes, seeds, projection and validators."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors import closeness, coreset
from adtrack.detectors.coreset import coreset_count, greedy_order, projection_matrix
from adtrack.errors import UserError


def plain_greedy(features: Tensor, count: int, start: int) -> list[int]:
    """Algorithm 1 of PatchCore as a plain loop in float64; ties to the lowest index."""
    points = features.double().numpy()
    nearest = np.full(len(points), np.inf)
    order = [start]
    while len(order) < count:
        apart = points - points[order[-1]]
        np.minimum(nearest, np.einsum("nd,nd->n", apart, apart), out=nearest)
        nearest[order] = -1
        order.append(int(nearest.argmax()))
    return order


def radii(features: Tensor, order: Tensor) -> np.ndarray:
    """Covering radius of every prefix of the order."""
    nearest = torch.cdist(features.double(), features[order].double(), compute_mode="donot_use_mm_for_euclid_dist")
    return nearest.cummin(dim=1).values.amax(dim=0).numpy()


def clusters(count: int, dimensions: int, seed: int = 0, spread: float = 1.0) -> Tensor:
    """Clusters of very different sizes far apart; where ``spread`` is small, codes cannot look into them."""
    draws = torch.Generator().manual_seed(seed)
    centres = 50 * torch.randn(12, dimensions, generator=draws)
    weights = torch.tensor([2.0**-k for k in range(12)])
    where = torch.multinomial(weights, count, replacement=True, generator=draws)
    return centres[where] + spread * torch.randn(count, dimensions, generator=draws)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


CASES = {
    "random": normal(300, 24),
    "clustered": clusters(300, 8),
    "duplicated": normal(60, 5).repeat(5, 1),
    "lattice": torch.cartesian_prod(*[torch.arange(7.0)] * 3),
    "far from the origin": normal(300, 16) + 1000,
    "tiny numbers": normal(300, 16) * 1e-12,
    "constant": torch.full((40, 3), 0.1),
    "one": normal(1, 4),
    "two equal": torch.ones(2, 4),
    "small clusters far apart": clusters(300, 6, spread=1e-4),
    "one dimension": normal(100, 1),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("small_rounds", [False, True])
def test_order_is_that_of_the_plain_loop(name: str, small_rounds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if small_rounds:  # many rounds, tiles and blocks although the features are few
        small = {"_ROUND_LEAST": 20, "_ROWS": 16, "_CENTRES": 12, "_ACTIVE": 9, "_STEPS": 4, "_SAMPLE": 60}
        for constant, value in small.items():
            monkeypatch.setattr(coreset, constant, value)
        monkeypatch.setattr(closeness, "BLOCK", 3)
        monkeypatch.setattr(closeness, "_TILE", {"cpu": (8, 9)})
    features = CASES[name]
    start = len(features) // 2
    order = greedy_order(features, len(features), start=start, projection=None)
    assert order.dtype == torch.int64 and order.tolist() == plain_greedy(features, len(features), start)
    assert sorted(order.tolist()) == list(range(len(features)))  # distinct, duplicates or not


def count_calls(monkeypatch: pytest.MonkeyPatch, *names: str) -> dict[str, int]:
    """How often methods of the search run from now on."""
    calls = dict.fromkeys(names, 0)
    for name in names:
        method = getattr(coreset._GreedySearch, name)

        def counted(search, *arguments, name=name, method=method):
            calls[name] += 1
            return method(search, *arguments)

        monkeypatch.setattr(coreset._GreedySearch, name, counted)
    return calls


def test_many_rounds_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch, "round")
    features = clusters(20_000, 16)
    assert greedy_order(features, 2000, start=7, projection=None).tolist() == plain_greedy(features, 2000, 7)
    assert calls["round"] > 10


@pytest.mark.parametrize("bounds_first", [True, False])
def test_rounds_keep_the_order_whether_codes_tell_points_apart_or_not(
    bounds_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes bound distances before they are settled, unless these are too small for codes."""
    calls = count_calls(monkeypatch, "_bound", "_settle")
    features = normal(9000, 16) if bounds_first else clusters(9000, 8, spread=1e-4)
    assert greedy_order(features, 600, start=7, projection=None).tolist() == plain_greedy(features, 600, 7)
    assert calls["_settle"] > 3 and (calls["_bound"] > 3) is bounds_first


def test_a_round_of_many_points_runs_among_the_farthest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coreset, "_ACTIVE", 50)
    far_out = torch.rand(12_000, 1, generator=torch.Generator().manual_seed(1)) ** -0.5
    features = normal(12_000, 16) * far_out  # many of the outliers are centres, so a round has much to choose from
    assert greedy_order(features, 1500, start=7, projection=None).tolist() == plain_greedy(features, 1500, 7)


def test_equal_distances_go_to_the_lowest_index_beyond_a_round_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """All corners of a cube are equally far from its centre: far more than a round looks at."""
    monkeypatch.setattr(coreset, "_ACTIVE", 30)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 9)
    features = torch.cat([torch.zeros(1, 9), corners])[torch.randperm(513, generator=torch.Generator().manual_seed(2))]
    start = int(features.square().sum(dim=1).argmin())
    assert greedy_order(features, 513, start=start, projection=None).tolist() == plain_greedy(features, 513, start)


@pytest.mark.parametrize("places", [1, 30])
def test_twins_follow_one_of_each_by_their_index(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that stands still fills a class with them; the rounds do not see them."""
    features = normal(places, 8).repeat(20_000 // places, 1)
    calls = count_calls(monkeypatch, "round")
    order = greedy_order(features, 9000, start=77, projection=None)
    assert order[:1000].tolist() == plain_greedy(features, 1000, 77) and calls["round"] <= 2
    once, rest = order[:places].tolist(), order[places:].tolist()
    assert rest == [row for row in range(len(features)) if row not in once][: 9000 - places]
    for known in (1, places, places + 5, 9000):
        assert greedy_order(features, 9000, start=77, projection=None, prefix=order[:known]).equal(order)


def test_a_short_order_is_the_beginning_of_a_long_one() -> None:
    features = clusters(3000, 8)
    long = greedy_order(features, 900, seed=3)
    for count in (1, 2, 100, 899):
        assert greedy_order(features, count, seed=3).equal(long[:count])


@pytest.mark.parametrize("known", [1, 2, 150, 400, 500])
def test_an_order_continues_from_its_beginning(known: int) -> None:
    features = clusters(6000, 8, seed=1)
    whole = greedy_order(features, 400, seed=5)
    prefix = greedy_order(features, known, seed=5)
    assert greedy_order(features, 400, seed=5, prefix=prefix).equal(whole)


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


def test_threads_do_not_show() -> None:
    features, before, orders = clusters(5000, 48), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            orders.append(greedy_order(features, 200, seed=0, projection=32))
    finally:
        torch.set_num_threads(before)
    assert orders[0].equal(orders[1])


def test_progress_is_told_after_every_round() -> None:
    told: list[list[int]] = []
    order = greedy_order(clusters(12_000, 4), 600, seed=0, on_progress=lambda found: told.append(found.tolist()))
    assert len(told) > 1 and all(found == order[: len(found)].tolist() for found in told)
    assert [len(found) for found in told] == sorted(len(found) for found in told) and len(told[-1]) == 600


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
