"""adtrack.evaluation.thresholds against a search over every interval in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.thresholds import f1_threshold


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
