"""A threshold that goes with photos: where it lands, how sure that is, and when nothing is moved."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adtrack.detectors.calibration import GoodScores
from adtrack.errors import UserError
from adtrack.evaluation.adapting import median_interval, moved_threshold
from adtrack.evaluation.photo_checks import FARTHEST

# 21 good scores 0, 1, …, 20: the median is 10, the alarms of a margin of 9 are 19 and 20, three quarters lie within 8.
LADDER = GoodScores.of(9.0, {"val_clean": [float(one) for one in range(21)]})
NORMAL = np.random.default_rng(0).standard_normal(400)
GOOD = GoodScores.of(1.64, {"val_clean": NORMAL - np.median(NORMAL)})


def test_a_shift_of_all_scores_is_the_move_of_the_threshold() -> None:
    moved = moved_threshold(LADDER, 19.0, [one + 100.0 for one in range(21)])
    # By the medians 110 and 10 alarms begin at 119. Without 119 and 120, and without Val's 19 and 20, both are 1 lower.
    assert moved.after == 119.0 and (moved.medians, moved.median) == ({"val_clean": 10.0}, 110.0)
    assert (moved.alarms_before, moved.alarms_after) == (21, 2) and moved.photos == 21
    assert moved.promised.value == 2 / 21 and moved.promised.low < 2 / 21 < moved.promised.high
    assert moved.distance == 100 / 8


def test_defects_among_the_photos_leave_before_the_median_is_taken() -> None:
    good = [6.0, 8.0, 9.0, 9.5, 10.5, 11.0, 12.0]
    moved = moved_threshold(LADDER, 19.0, [*good, 40.0])
    # The median of all is 10, so alarms begin at 19 and 40 leaves. The median of the others is 9.5, Val's without
    # alarms is 9: the margin above it is 10.
    assert moved.after == 19.5 and moved.alarms_after == 1
    assert moved_threshold(LADDER, 19.0, [*good, 4000.0]).after == moved.after  # how bad a defect is does not matter


def test_photos_of_val_itself_move_nothing() -> None:
    moved = moved_threshold(LADDER, 19.0, LADDER.scores["val_clean"])
    assert moved.after == moved.before == 19.0 and moved.distance == 0


def test_two_domains_are_measured_each_from_its_own_median() -> None:
    both = GoodScores.of(9.0, {"val_clean": range(21), "val_shift": range(400, 421)})
    moved = moved_threshold(both, 19.0, [one + 300.0 for one in range(21)])
    assert moved.after == 319.0 and moved.promised.value == 4 / 42
    assert moved.medians == {"val_clean": 10.0, "val_shift": 410.0} and moved.distance == 100 / 8


BOTH = GoodScores.of(9.0, {"val_clean": range(21), "val_shift": range(1, 22)}, 19.5)


def test_a_threshold_that_serves_several_domains_goes_no_higher_within_them() -> None:
    """At 19.5, one image of Val-clean and two of Val-shift are alarms. Without them the medians are 9.5 and 10."""
    for shift, after in ((0.0, 19.0), (0.5, 19.5), (1.0, 19.5), (3.0, 19.5), (100.0, 118.5)):
        moved = moved_threshold(BOTH, 19.5, [one + shift for one in range(21)])
        assert moved.after == after and moved.low <= moved.after <= moved.high, shift
        assert moved.promised.value == 2 / 21  # as at the threshold in Val-shift, of which more are alarms
    by_margin = GoodScores.of(9.0, BOTH.scores)
    assert moved_threshold(by_margin, 19.5, [one + 1.0 for one in range(21)]).after == 20.0


def test_a_threshold_that_does_not_serve_all_of_its_domains_holds_none_back() -> None:
    """At 15 a third of Val-shift are alarms, where a margin of 9 promises two in 21."""
    flooded = GoodScores.of(9.0, {"val_clean": range(21), "val_shift": range(1, 22)}, 15.0)
    photos = [one + 1.0 for one in range(21)]
    by_margin = moved_threshold(GoodScores.of(9.0, flooded.scores), 15.0, photos)
    assert moved_threshold(flooded, 15.0, photos) == by_margin and by_margin.after == 20.0


@given(st.integers(4, 40), st.floats(-50, 50), st.integers(0, 2**32 - 1))
def test_the_threshold_goes_where_the_photos_go(count: int, shift: float, seed: int) -> None:
    photos = np.random.default_rng(seed).choice(NORMAL[np.abs(NORMAL) < 1], count)
    here, there = (moved_threshold(GOOD, 1.64, photos + by) for by in (0.0, shift / 10))
    assert there.after == pytest.approx(here.after + shift / 10, abs=1e-9)
    assert here.low <= here.after <= here.high and 0 < here.level < 1


@pytest.mark.parametrize(
    ("count", "ranks", "level"), [(4, (1, 4), 7 / 8), (6, (1, 6), 31 / 32), (9, (2, 8), 246 / 256)]
)
def test_the_median_lies_between_two_order_statistics(count: int, ranks: tuple[int, int], level: float) -> None:
    low, high, held = median_interval(np.arange(1.0, count + 1))
    assert (low, high) == ranks and held == pytest.approx(level, abs=1e-12)


@given(st.integers(6, 200))
def test_the_interval_is_the_narrowest_that_holds_95_in_100(count: int) -> None:
    low, high, level = median_interval(np.arange(float(count)))
    rank = int(low) + 1
    below = [math.comb(count, one) / 2**count for one in range(count)]
    assert low + high == count - 1 and level == pytest.approx(1 - 2 * sum(below[:rank]), abs=1e-12)
    assert level >= 0.95 > 1 - 2 * sum(below[: rank + 1])


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    draws = np.sort(np.random.default_rng(1).standard_exponential((2000, 16)), axis=1)
    ends = np.array([median_interval(one)[:2] for one in draws])
    held = np.mean((ends[:, 0] <= math.log(2)) & (math.log(2) <= ends[:, 1]))
    assert held == pytest.approx(median_interval(draws[0])[2], abs=0.015)


def test_false_alarms_are_about_those_that_were_promised_even_with_defects() -> None:
    draws = np.random.default_rng(2)
    for defects in (0, 2):
        shares = []
        for _ in range(300):
            photos = np.append(draws.normal(7, 1, 16 - defects), draws.normal(11, 1, defects))
            with contextlib.suppress(UserError):  # a few draws look like more defects than are borne
                shares.append(np.mean(moved_threshold(GOOD, 1.64, photos).after <= NORMAL + 7))
        assert len(shares) > 280 and np.mean(shares) == pytest.approx(0.04, abs=0.02), defects


def refused(good: GoodScores, photos: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        moved_threshold(good, 19.0, photos)


def test_what_does_not_tell_the_threshold_is_refused() -> None:
    ladder = [float(one) for one in range(21)]
    refused(LADDER, [1.0, 2.0, 3.0], "at least 4 different photos, but got 3")
    refused(LADDER, [1.0, 2.0, 3.0, math.nan], "finite")
    refused(GoodScores.of(1.0, {"val_clean": ladder, "val_shift": [1.0, 2.0]}), ladder, "Val-shift has 2")
    refused(GoodScores.of(-3.0, {"val_clean": ladder}), ladder, "14 of 21 are alarms")
    refused(LADDER, [10.0] * 9 + [25.0] * 7, "7 of 16 are alarms even at the moved threshold")
    refused(LADDER, [one * 3.0 for one in range(21)], "lie more than 12 from their median")
    refused(LADDER, [one + 8 * FARTHEST + 0.5 for one in ladder], "median is 170.5, more than 20 times 8 from Val's 10")


def test_an_eighth_of_defects_is_borne_where_hardly_a_good_image_is_an_alarm() -> None:
    strict = GoodScores.of(11.0, LADDER.scores)
    photos = [float(one) for one in range(3, 17)]
    assert moved_threshold(strict, 21.0, [*photos, 60.0, 70.0]).alarms_after == 2
    refused(strict, [*photos, 60.0, 70.0, 80.0], "3 of 17 are alarms")


def test_refusals_say_what_helps() -> None:
    for photos in ([1.0], [10.0] * 9 + [25.0] * 7, [one * 3.0 for one in range(21)], [1e6] * 8):
        with pytest.raises(UserError) as caught:
            moved_threshold(LADDER, 19.0, photos)
        assert caught.value.hint


def test_scores_that_spread_more_widely_lift_the_threshold_and_narrower_ones_do_not_lower_it() -> None:
    shifted = np.arange(21.0) + 100
    wide = moved_threshold(LADDER, 19.0, 110 + 1.4 * (shifted - 110)).after
    assert wide == pytest.approx(110 + 9 * 1.4 ** (21 / 25), abs=1.5) and wide > 119
    assert moved_threshold(LADDER, 19.0, 110 + 0.5 * (shifted - 110)).after > 118
