"""Curves and areas are scikit-learn's, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from adtrack.evaluation.metrics import image_metrics
from adtrack.evaluation.ranked_scores import RankedScores

# Few different values make ties; any finite float tests the rounding.
SCORES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.5, 3.0]), st.floats(-1e6, 1e6))
IMAGES = st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=60).filter(
    lambda images: len({label for _, label in images}) == 2
)


@given(IMAGES)
def test_both_classes(images: list[tuple[float, bool]]) -> None:
    values, labels = (np.array(column) for column in zip(*images, strict=True))
    ranked = RankedScores.of(values, labels)
    assert ranked.auroc() == roc_auc_score(labels, values)
    assert ranked.average_precision() == min(1.0, average_precision_score(labels, values))
    for ours, theirs in zip(ranked.roc(), roc_curve(labels, values), strict=False):
        np.testing.assert_array_equal(ours, theirs)
    precision, recall, _ = precision_recall_curve(labels, values)
    for ours, theirs in zip(ranked.precision_recall(), (recall, precision), strict=True):
        np.testing.assert_array_equal(ours, theirs[:-1][::-1])


@given(IMAGES, SCORES)
def test_metrics_at_a_threshold(images: list[tuple[float, bool]], threshold: float) -> None:
    values, labels = (np.array(column) for column in zip(*images, strict=True))
    found = image_metrics(values, labels, threshold)
    expected = precision_recall_fscore_support(labels, values >= threshold, average="binary", zero_division=0.0)
    assert (found["precision"], found["recall"], found["f1"]) == expected[:3]


@pytest.mark.parametrize("label", [False, True])
def test_one_class(label: bool) -> None:
    ranked = RankedScores.of(np.array([1.0, 2.0, 2.0]), np.full(3, label))
    rates = dict(zip((False, True), ranked.roc(), strict=True))
    assert np.isnan(rates[not label]).all() and not np.isnan(rates[label]).any() and np.isnan(ranked.auroc())
    assert ranked.precision_recall()[0].tolist() == ([2 / 3, 1.0] if label else [1.0, 1.0])


def test_a_large_set_with_many_ties() -> None:
    draws = np.random.default_rng(3)
    labels = draws.random(5000) < 0.3
    values = np.round(draws.normal(size=5000) + labels, 2)
    ranked = RankedScores.of(values, labels)
    assert ranked.auroc() == roc_auc_score(labels, values)
    assert ranked.average_precision() == average_precision_score(labels, values)
