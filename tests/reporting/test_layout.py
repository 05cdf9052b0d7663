import itertools
import math

import pytest

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting import layout
from adtrack.reporting.description import Lines, Scatter, Spot
from adtrack.reporting.layout import (
    dodged,
    error_bars,
    estimates_range,
    label_sides,
    line_ends,
    log_ticks,
    scatter_ranges,
    spread,
    value_range,
    wrapped,
)

NAN = math.nan


def sure(value: float) -> Estimate:
    return Estimate(value, NAN, NAN)


def test_ranges_hold_every_number_with_a_margin():
    assert value_range([2.0, NAN, 4.0]) == pytest.approx((1.88, 4.12))
    assert value_range([3.0, 3.0]) == pytest.approx((2.95, 3.05))
    for almost in (1.0, 1 - 1e-9):
        assert value_range([1.0, almost]) == pytest.approx((0.95, 1.005))  # of shares
    assert value_range([NAN]) == value_range([]) == (0.0, 1.0)
    kind = Lines([0, 1], {"a": [Estimate(0.5, 0.2, 0.6), sure(NAN)], "b": [sure(0.7), Estimate(0.8, 0.7, 1.2)]})
    low, high = estimates_range(kind)
    assert low < 0.2 < 1.2 < high and high - low < 1.2
    assert estimates_range(kind, Lines([0, 1], {"a": [sure(0.0), sure(0.1)]}))[0] < 0 < high


def test_a_diagonal_has_one_range_and_a_logarithm_its_own():
    series = {"a": [Spot(10, 0.5)], "b": [Spot(1000, 0.9), Spot(0, 0.7)]}
    x, y = scatter_ranges(Scatter(series, diagonal=True))
    assert x == y and x[0] < 0 and x[1] > 1000
    x, _ = scatter_ranges(Scatter(series, log_x=True))
    assert x == pytest.approx((1 - 0.24, 3 + 0.24))  # 0 has no logarithm


def test_log_ticks_are_as_many_as_a_reader_needs():
    assert log_ticks((0, 2)) == [1, 2, 5, 10, 20, 50]
    assert log_ticks((-0.5, 0.4)) == [0.5, 1, 2]
    assert log_ticks((-2.5, 2.5)) == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert log_ticks((0.4, 0.8)) == [3, 4, 5, 6]


@pytest.mark.parametrize(("low", "high"), [(110, 150), (1.01, 1.04), (0.95, 1.08), (61, 62), (1e-3, 1.0004e-3)])
def test_a_range_between_two_ticks_has_some_of_its_own(low, high):
    ticks = log_ticks((math.log10(low), math.log10(high)))
    assert 3 <= len(ticks) <= 6 and all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    steps = [right - left for left, right in itertools.pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)


def test_series_stand_side_by_side_within_their_category():
    for series in range(1, 12):
        places = [dodged(index, series) for index in range(series)]
        assert sum(places) == pytest.approx(0) and max(places, key=abs) < 0.4
        assert all(right > left for left, right in itertools.pairwise(places))


def test_error_bars_are_lengths():
    below, above = error_bars([Estimate(0.5, 0.4, 0.7), sure(0.5), Estimate(0.5, 0.6, 0.7)])
    assert below == pytest.approx([0.1, 0, 0]) and above == pytest.approx([0.2, 0, 0.2])


def test_names_at_line_ends_keep_their_order_and_do_not_overlap():
    for heights in ({"a": 0.5, "b": 0.5, "c": 0.51, "d": 0.1}, {"a": 1.0, "b": 0.99, "c": 0.98}, {"a": 0.3}, {}):
        placed = spread(heights)
        assert sorted(placed, key=placed.get) == sorted(heights, key=heights.get)
        ordered = sorted(placed.values())
        assert all(right - left > layout.LINE_GAP - 1e-9 for left, right in itertools.pairwise(ordered))
        assert all(height <= 1 for height in ordered)
    assert spread({"a": 0.2, "b": 0.8}) == {"a": 0.2, "b": 0.8}


def test_a_line_ends_at_its_last_number():
    kind = Lines([0, 1], {"a": [sure(0.0), sure(NAN)], "b": [sure(1.0), sure(1.0)], "c": [sure(NAN)] * 2})
    ends = line_ends(kind, estimates_range(kind))
    assert list(ends) == ["a", "b"] and ends["a"] < 0.1 and ends["b"] > 0.9


def test_labels_avoid_the_spots_beside_them():
    alone = label_sides(Scatter({"a": [Spot(0, 0, "label")], "b": [Spot(1, 1, "label")]}))
    assert alone["a"] == ["right"]
    pair = label_sides(Scatter({"a": [Spot(0.5, 0.5, "one"), Spot(0.53, 0.5, "two"), Spot(0, 0), Spot(1, 1)]}))["a"]
    assert pair[:2] == ["left", "right"]
    edge = label_sides(Scatter({"a": [Spot(0, 0), Spot(1, 1, "a label longer than the margin")]}))["a"]
    assert edge[1] == "left"


def test_text_is_wrapped_and_its_own_breaks_do_not_count():
    assert wrapped("one two\nthree", 8) == ["one two", "three"] and wrapped("", 8) == [""]


def test_a_long_name_breaks_where_its_parts_begin():
    assert wrapped("reverse_distillation", 12) == ["reverse_", "distillation"]
    assert wrapped("timm/tf_lite0 a_b", 10) == ["timm/tf_", "lite0 a_b"]
    assert wrapped("patchcore_", 9) == ["patchcore", "_"] and wrapped("distillation", 8) == ["distilla", "tion"]
