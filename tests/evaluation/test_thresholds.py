"""adtrack.evaluation.thresholds against a search in exact fractions, worked cases and simulated good parts."""

from fractions import Fraction

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.thresholds import (
    expected_false_alarms,
    f1_threshold,
    good_threshold,
    images_needed,
    spread_threshold,
)


def f1_at(threshold: float, scores: np.ndarray, labels: np.ndarray) -> Fraction:
    hits = sum(score >= threshold and label for score, label in zip(scores, labels, strict=True))
    return Fraction(2 * int(hits), int(sum(scores >= threshold)) + int(sum(labels)))


def best_interval(scores: np.ndarray, labels: np.ndarray) -> tuple[float | None, float]:
    """(lower, upper] with the best F1: the widest, then the lowest; lower is None for "call everything"."""
    edges = sorted(set(scores.tolist()))
    candidates = []
    for lower, upper in zip([None, *edges[:-1]], edges, strict=True):
        width = Fraction(0) if lower is None else Fraction(upper) - Fraction(lower)
        candidates.append((-f1_at(upper, scores, labels), -width, upper, lower))
    _, _, upper, lower = min(candidates, key=lambda candidate: candidate[:3])
    return lower, upper


@pytest.mark.parametrize("seed", range(300))
def test_equals_the_search(seed: int):
    rng = np.random.default_rng(seed)
    size = rng.integers(2, 25)
    labels = rng.random(size) < rng.uniform(0.1, 0.9)
    labels[:2] = True, False
    scores = rng.integers(0, rng.integers(2, 20), size) + rng.integers(0, 4) * labels.astype(float)
    lower, upper = best_interval(scores, labels)
    threshold = f1_threshold(scores, labels)
    assert threshold == (upper if lower is None else (lower + upper) / 2)
    assert f1_at(threshold, scores, labels) == max(f1_at(score, scores, labels) for score in scores)


def test_separable_classes_meet_in_the_middle():
    assert f1_threshold([1, 2, 3, 7, 9], [0, 0, 0, 1, 1]) == 5.0


def test_of_equal_intervals_the_widest_then_the_lowest():
    # Both found with two false alarms (threshold up to 10): F1 4/6; one found with none (above 12): F1 2/3.
    labels = [0, 1, 0, 0, 1]
    assert f1_threshold([1, 10, 11, 12, 30], labels) == 21.0  # 12 … 30 is wider than 1 … 10
    assert f1_threshold([1, 10, 11, 12, 15], labels) == 5.5  # 1 … 10 is wider than 12 … 15
    assert f1_threshold([1, 10, 11, 12, 21], labels) == 5.5  # equally wide: the lower one


def test_calling_everything_anomalous_is_the_last_resort():
    assert f1_threshold([3.0, 4.0], [1, 0]) == 3.0
    assert f1_threshold([5.0, 5.0, 5.0], [0, 1, 1]) == 5.0
    assert f1_threshold([1.0, 2.0, 3.0], [1, 0, 1]) == 1.0  # F1 4/5, against 2/4 and 2/3
    assert f1_threshold([1.0, 2.0, 3.0, 4.0], [1, 0, 0, 1]) == 3.5  # 4/6 for everything, and 2/3 with room around


@pytest.mark.parametrize("low", [0.0, 1.0, 17.3, 1e-300, 5e-324, 1e308])
def test_adjacent_floats_are_kept_apart(low: float):
    high = np.nextafter(low, np.inf)
    threshold = f1_threshold([low, high], [0, 1])
    assert low < threshold <= high


def test_huge_scores_do_not_overflow():
    with np.errstate(all="raise"):
        assert -1.7e308 < f1_threshold([-1.7e308, 1.7e308], [0, 1]) < 1.7e308


def test_order_does_not_matter():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=50), rng.random(50) < 0.3
    order = rng.permutation(50)
    assert f1_threshold(scores, labels) == f1_threshold(scores[order], labels[order])


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [0, 0], "2 normal and 0 anomalous"),
        ([1.0, 2.0], [1, 1], "0 normal and 2 anomalous"),
        ([1.0, np.nan], [0, 1], "finite"),
        ([1.0, np.inf], [0, 1], "finite"),
        ([1.0], [0, 1], "shapes"),
    ],
)
def test_bad_input_is_refused(scores: list, labels: list, message: str):
    with pytest.raises(UserError, match=message):
        f1_threshold(scores, labels)


@pytest.mark.parametrize(
    ("quantile", "expected"),
    [
        (0.5, 2.5),  # rank 5 · 0.5 = 2.5: half-way from 2 to 3
        (0.75, 5.25),  # rank 3.75: three quarters of the way from 3 to 6
        (0.6, 3.0),  # rank 3
        (0.81, 6.0),  # rank 4.05 is beyond the highest score
        (1.0, 6.0),
        (0.1, 1.0),
    ],
)
def test_good_threshold_of_four_scores(quantile: float, expected: float):
    assert good_threshold([3.0, 1.0, 6.0, 2.0], quantile) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "quantile", "alarms"),
    [
        ([0.0] * 10, 0.95, 0),  # a camera that stood still: no image differs from the bank
        ([1.0] * 7, 0.5, 0),
        ([0.0] * 8 + [2.0], 0.95, 1),
        ([0.0] + [2.0] * 8, 0.95, 0),
        ([1.0, 2.0, 2.0, 3.0], 0.5, 1),
        (list(range(19)), 0.95, 1),
        (list(range(39)), 0.95, 2),
        ([5.0], 0.95, 1),  # of one image nothing else can be said
    ],
)
def test_equal_scores_are_not_all_alarms(scores: list[float], quantile: float, alarms: int):
    for order in (scores, scores[::-1]):
        assert sum(score >= good_threshold(order, quantile) for score in order) == alarms


def test_good_threshold_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=130)
    assert len({good_threshold(rng.permutation(scores), 0.99) for _ in range(20)}) == 1


def beta_of_one(count: int, probability: float) -> float:
    """The quantile of Beta(1, count), whose distribution function is 1 - (1 - x)^count."""
    return 1 - (1 - probability) ** (1 / count)


@pytest.mark.parametrize("count", [1, 5, 40, 99])
def test_above_the_highest_good_score(count: int):
    """Up to 99 scores the 0.99 quantile is the highest one: on average 1 / (count + 1) of further scores reach it."""
    found = expected_false_alarms(count, 0.99)
    assert found.value == pytest.approx(1 / (count + 1))
    assert (found.low, found.high) == pytest.approx((beta_of_one(count, 0.025), beta_of_one(count, 0.975)))


def test_between_two_scores_both_ends_are_taken():
    # Rank 60 · 0.99 = 59.4 of 59 is the highest; rank 150 · 0.99 = 148.5 of 149 lies between the two highest.
    highest, between = expected_false_alarms(149, 1.0), expected_false_alarms(149, 0.99)
    assert between.value == pytest.approx(0.01) and between.low == pytest.approx(highest.low)
    assert between.high == expected_false_alarms(149, 148 / 150).high > highest.high


@pytest.mark.parametrize(("count", "quantile"), [(30, 0.9), (30, 0.99), (200, 0.99), (50, 0.5)])
def test_simulated_good_parts_keep_the_promise(count: int, quantile: float):
    """Scores are exponential, so the share above a threshold is known: exp(-threshold)."""
    rng = np.random.default_rng(count)
    shares = np.exp([-good_threshold(rng.exponential(size=count), quantile) for _ in range(3000)])
    promise = expected_false_alarms(count, quantile)
    assert shares.mean() == pytest.approx(promise.value, rel=0.05)
    assert 0.945 <= np.mean((promise.low <= shares) & (shares <= promise.high)) <= 0.99


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999), (1.0, 0)])
def test_images_needed_for_the_quantile_to_lie_among_them(quantile: float, needed: int):
    assert images_needed(quantile) == needed
    if needed > 1:
        few, enough = (good_threshold(np.arange(count, dtype=float), quantile) for count in (needed - 1, needed + 1))
        assert few == needed - 2 and enough < needed


@pytest.mark.parametrize(
    ("scores", "quantile", "message"),
    [
        ([1.0], 0.0, r"good quantile must be in \(0, 1\], but got 0.0"),
        ([1.0], 1.01, "but got 1.01"),
        ([1.0], np.nan, "but got nan"),
        ([], 0.99, "shapes"),
        ([1.0, np.inf], 0.99, "finite"),
    ],
)
def test_good_threshold_refuses(scores: list, quantile: float, message: str):
    with pytest.raises(UserError, match=message):
        good_threshold(scores, quantile)


def test_spread_threshold_lies_two_standard_deviations_above_the_mean():
    assert spread_threshold([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == 9.0
    rng = np.random.default_rng(0)
    scores = rng.normal(10, 1, 20)
    assert len({spread_threshold(rng.permutation(scores)) for _ in range(20)}) == 1
    assert spread_threshold(scores) == pytest.approx(np.mean(scores) + 2 * np.std(scores))


@pytest.mark.parametrize("scores", [[0.0], [0.1, 0.1, 0.1], [-3.0] * 7])
def test_equal_good_scores_pass(scores: list[float]):
    assert spread_threshold(scores) == np.nextafter(scores[0], np.inf)
