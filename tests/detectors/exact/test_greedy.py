"""Greedy k-centre: the plain loop's order, whatever the features and however the work is cut up."""

import pytest
import torch

from adtrack.detectors.coreset import greedy_order, growing_greedy_order
from adtrack.detectors.exact.holder import PointHolder
from adtrack.detectors.exact.plan import USUAL, SearchPlan
from adtrack.detectors.exact.reference import greedy_order as plain_greedy
from adtrack.detectors.exact.rounds import Rounds
from tests.detectors.samples import clusters, normal

# Many rounds, tiles and blocks although the features are few.
SMALL_ROUNDS = SearchPlan(
    sample_above=6, rows=16, centres=12, active=9, steps=4, threshold_sample=60, block=3, tile=(8, 9)
)
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
@pytest.mark.parametrize("plan", [USUAL, SMALL_ROUNDS], ids=["usual", "small rounds"])
def test_order_is_that_of_the_plain_loop(name: str, plan: SearchPlan) -> None:
    features = CASES[name]
    start = len(features) // 2
    order = greedy_order(features, len(features), start=start, projection=None, plan=plan)
    assert order.dtype == torch.int64 and order.equal(plain_greedy(features, len(features), start))
    assert sorted(order.tolist()) == list(range(len(features)))  # distinct, duplicates or not


def count_calls(monkeypatch: pytest.MonkeyPatch, of: type, *names: str) -> dict[str, int]:
    """How often methods of a class run from now on."""
    calls = dict.fromkeys(names, 0)
    for name in names:
        method = getattr(of, name)

        def counted(search, *arguments, name=name, method=method):
            calls[name] += 1
            return method(search, *arguments)

        monkeypatch.setattr(of, name, counted)
    return calls


def test_many_rounds_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch, Rounds, "next")
    features = clusters(20_000, 16)
    assert greedy_order(features, 2000, start=7, projection=None).equal(plain_greedy(features, 2000, 7))
    assert calls["next"] > 10


@pytest.mark.parametrize("told_apart", [True, False])
def test_rounds_keep_the_order_whether_codes_tell_points_apart_or_not(
    told_apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_calls(monkeypatch, PointHolder, "_bound", "_settle")
    features = normal(9000, 16) if told_apart else clusters(9000, 8, spread=1e-4)
    assert greedy_order(features, 600, start=7, projection=None).equal(plain_greedy(features, 600, 7))
    assert calls["_settle"] > 3 and calls["_bound"] > 3


def test_a_round_of_many_points_runs_among_the_farthest() -> None:
    far_out = torch.rand(12_000, 1, generator=torch.Generator().manual_seed(1)) ** -0.5
    features = normal(12_000, 16) * far_out  # many of the outliers are centres, so a round has much to choose from
    order = greedy_order(features, 1500, start=7, projection=None, plan=SearchPlan(active=50))
    assert order.equal(plain_greedy(features, 1500, 7))


def test_equal_distances_go_to_the_lowest_index_beyond_a_round_as_well() -> None:
    """All corners of a cube are equally far from its centre: far more than a round looks at."""
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 9)
    features = torch.cat([torch.zeros(1, 9), corners])[torch.randperm(513, generator=torch.Generator().manual_seed(2))]
    start = int(features.square().sum(dim=1).argmin())
    order = greedy_order(features, 513, start=start, projection=None, plan=SearchPlan(active=30))
    assert order.equal(plain_greedy(features, 513, start))


@pytest.mark.parametrize("places", [1, 30])
def test_twins_follow_one_of_each_by_their_index(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that stands still fills a class with them; the rounds do not see them."""
    features = normal(places, 8).repeat(20_000 // places, 1)
    calls = count_calls(monkeypatch, Rounds, "next")
    order = greedy_order(features, 9000, start=77, projection=None)
    assert order[:1000].equal(plain_greedy(features, 1000, 77)) and calls["next"] <= 2
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
    features = clusters(12_000, 4)
    told = [found.tolist() for found in growing_greedy_order(features, 600, seed=0)]
    order = greedy_order(features, 600, seed=0)
    assert len(told) > 1 and all(found == order[: len(found)].tolist() for found in told)
    assert [len(found) for found in told] == sorted(len(found) for found in told) and len(told[-1]) == 600
