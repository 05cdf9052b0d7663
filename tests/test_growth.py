"""How time grows: the fitted exponent, sizes that double, images in all their ways, and what is timed."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import linregress

from adtrack.detectors.coreset import greedy_order
from adtrack.errors import UserError
from adtrack.evaluation.intervals import Estimate
from experiments.benchmarks import series
from experiments.benchmarks.growth import by_images, by_settings, whole
from experiments.benchmarks.series import Series, chart, doubled, measured, power_law
from experiments.benchmarks.turned import Turned


def test_a_power_law_is_found_again() -> None:
    sizes = [125, 250, 500, 1000, 2000]
    exponent, error = power_law(sizes, [3e-4 * size**1.7 for size in sizes])
    assert exponent == pytest.approx(1.7) and error == pytest.approx(0, abs=1e-12)


def test_exponent_and_standard_error_are_those_of_a_regression_of_the_logarithms() -> None:
    sizes, times = [0.01, 0.02, 0.04, 0.08, 0.16], [1.1, 1.9, 4.4, 6.9, 17.0]
    expected = linregress(np.log10(sizes), np.log10(times))
    assert power_law(sizes, times) == pytest.approx((expected.slope, expected.stderr))
    exponent, error = power_law([1, 2], [1, 8])
    assert exponent == pytest.approx(3) and math.isnan(error), "two points say nothing of their error"


def test_sizes_double_up_to_the_largest() -> None:
    assert doubled(0.16, 4) == pytest.approx((0.01, 0.02, 0.04, 0.08, 0.16)) and whole(2000, 4) == (
        *(125, 250, 500),
        *(1000, 2000),
    )
    assert whole(5, 3) == (1, 1, 2, 5)


def test_a_series_times_each_size_and_keeps_what_came_out(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    # A clock that only the work itself moves on: a second for each unit of size, one more at every other turn.
    done, clock = [], SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(series, "time", clock)

    def work_of(size: float):
        def work() -> float:
            clock.now += size + len(done) % 2
            done.append(size)
            return 2 * size

        return work

    found, results = measured("waiting", "seconds", (0.25, 2.0, 4.0), work_of)
    assert results == {0.25: 0.5, 2.0: 4.0, 4.0: 8.0}
    assert done == 6 * [0.25] + 2 * [2.0] + 2 * [4.0], "one to warm up, then five turns or enough of them"
    assert found.times == (Estimate(1.25, 0.25, 1.25), Estimate(2.5, 2.0, 3.0), Estimate(4.5, 4.0, 5.0))
    assert "waiting, seconds: " in capsys.readouterr().out


def test_a_series_is_shown_in_doublings_with_its_slope() -> None:
    times = (Estimate(2.0, 1.0, 4.0), Estimate(8.0, 8.0, 8.0), Estimate(32.0, 32.0, 64.0))
    found = Series("search", "rows", (10, 20, 40), times)
    assert found.title == "search, rows: 2.00 ± 0.00"
    assert found.doublings == [Estimate(0.0, -1.0, 1.0), Estimate(2.0, 2.0, 2.0), Estimate(4.0, 4.0, 5.0)]
    assert found.rows[0] == {
        **{"what": "search", "along": "rows", "size": "10", "seconds": "2", "least": "1", "most": "4"},
        **{"exponent": "2.0000", "error": "0.0000"},
    }
    kind = chart([found], "").kind
    assert kind.x == [0, 1, 2] and kind.series == {found.title: found.doublings}


class Pictures:
    """Three images of different pixels."""

    name, digest = "train_clean", "three"

    def __len__(self) -> int:
        return 3

    def image(self, index: int) -> np.ndarray:
        return (np.arange(24, dtype=np.uint8) + 100 * np.uint8(index)).reshape(2, 4, 3)


def test_images_come_in_all_their_ways_once_each() -> None:
    ways = Turned(Pictures(), 24)
    found = [ways.image(index) for index in range(len(ways))]
    assert len({(image.shape, image.tobytes()) for image in found}) == 24
    for index in range(3):
        image = Pictures().image(index)
        mirrored = [np.rot90(side, turns) for side in (image, image[:, ::-1]) for turns in range(4)]
        assert all(any(np.array_equal(one, other) for other in found) for one in mirrored)


def test_a_longer_set_begins_with_a_shorter_one_and_is_another() -> None:
    few, more = Turned(Pictures(), 5), Turned(Pictures(), 9)
    assert all(np.array_equal(few.image(index), more.image(index)) for index in range(5))
    assert len(few) == 5 and few.digest != more.digest
    with pytest.raises(IndexError):
        few.image(5)
    for count in (0, 25):
        with pytest.raises(UserError, match="images must be between 1 and 24"):
            Turned(Pictures(), count)


def test_orders_and_searches_are_timed_for_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_TURNS", 1)
    orders = []
    monkeypatch.setattr(
        "experiments.benchmarks.growth.greedy_order", lambda *a, **b: orders.append(greedy_order(*a, **b)) or orders[-1]
    )
    draws = torch.Generator().manual_seed(0)
    patches, queries = torch.randn(800, 16, generator=draws), torch.randn(100, 16, generator=draws)
    found = by_images(patches, queries, (2, 4, 8)) + by_settings(patches[:400], queries, 2)
    assert [(one.what, one.along, one.sizes) for one in found] == [
        ("greedy order", "images", (2, 4, 8)),
        ("search", "images", (2, 4, 8)),
        ("greedy order", "fraction", (0.04, 0.08, 0.16)),
        ("search", "fraction", (0.04, 0.08, 0.16)),
        ("greedy order", "dimensions", (4, 8, 16)),
        ("search", "dimensions", (4, 8, 16)),
    ]
    # The first of each series is found twice: to warm up, and timed.
    assert [len(order) for order in orders] == [2, 2, 4, 8, 16, 16, 32, 64, 4, 4, 4, 4]
