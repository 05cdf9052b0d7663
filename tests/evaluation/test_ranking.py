"""Rankings: intervals that hold together, and the places that the images leave open."""

import math

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.intervals import difference, interval
from adtrack.evaluation.ranking import half_widths, ranking
from adtrack.evaluation.resampling import Sample

LABELS = np.repeat([0, 1], 60)


def rows(**scores: np.ndarray) -> dict[str, dict[str, Sample]]:
    return {name: {"part": Sample(some, LABELS, 0.5)} for name, some in scores.items()}


def test_intervals_reach_so_many_spreads_that_they_hold_together() -> None:
    values = np.array([0.0, 0.5])
    lows = np.array([[-1.0, -1.0, -1.0, -1.0], [0.4, 0.4, 0.4, 0.0]])
    highs = np.array([[1.0, 0.5, 1.0, 1.0], [0.5, 0.6, 0.6, 0.6]])
    spreads = 1.0, math.sqrt((3 * 0.1**2 + 0.5**2) / 4)
    largest = (1.0, 1.0, 1.0, 0.5 / spreads[1])  # in each resample the pair that is farthest out counts
    reach = largest[0] + 0.85 * (largest[3] - largest[0])  # the 95 % quantile of four numbers
    assert half_widths(values, lows, highs) == pytest.approx([reach * spread for spread in spreads])
    assert half_widths(values[:1], lows[:1], highs[:1]) == pytest.approx([1.0])
    still = np.zeros((1, 4))
    assert half_widths(np.zeros(1), still, still) == [0.0]


def test_places_are_those_that_the_images_leave_open() -> None:
    rng = np.random.default_rng(0)
    good = LABELS + rng.normal(0, 0.1, LABELS.size)
    found = ranking(rows(worst=-good, alike=good + rng.normal(0, 0.01, LABELS.size), good=good), "image_auroc")
    told = {one.name: (one.places, one.undecided) for one in found}
    assert told == {"alike": ("1–2", ("good",)), "good": ("1–2", ("alike",)), "worst": ("3", ())}
    assert [one.name for one in found] == ["alike", "good", "worst"]  # equal rows stay in their order
    assert (found[0].behind.value, found[0].behind.low, found[0].behind.high) == (0, 0, 0)
    assert found[2].value == interval(rows(worst=-good)["worst"], "image_auroc") and found[2].value.value == 0
    last = found[2].behind
    assert last.value == -1 and last.high < 0


def test_intervals_for_all_pairs_are_wider_than_one_alone() -> None:
    rng = np.random.default_rng(1)
    some = rows(**{name: LABELS + rng.normal(0, 0.8, LABELS.size) for name in "abcde"})
    found = ranking(some, "image_auroc")
    first, last = found[0].name, found[-1].name
    alone = difference(some[last], some[first], "image_auroc")
    together = found[-1].behind
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > alone.high - alone.low


def test_a_mean_over_classes_weighs_them_alike() -> None:
    good, bad = Sample(LABELS * 1.0, LABELS, 0.5), Sample(-LABELS * 1.0, LABELS, 0.5)
    (first, second) = ranking({"half": {"a": good, "b": bad}, "whole": {"a": good, "b": good}}, "image_auroc")
    assert (first.name, first.value.value, second.value.value) == ("whole", 1.0, 0.5)
    assert (first.places, second.places, second.behind.value) == ("1", "2", -0.5)


def test_one_row_has_the_first_place_and_others_must_be_of_the_same_images() -> None:
    (only,) = ranking(rows(one=LABELS * 1.0), "image_auroc")
    assert only.places == "1" and only.undecided == ()
    other = {"part": Sample(LABELS * 1.0, 1 - LABELS, 0.5)}
    with pytest.raises(UserError, match="the same images"):
        ranking({**rows(one=LABELS * 1.0), "other": other}, "image_auroc")
