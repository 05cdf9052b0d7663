"""adtrack.evaluation.intervals against resampling one image at a time."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adtrack.errors import UserError
from adtrack.evaluation.intervals import auroc_interval


def random_case(seed: int, normal: int = 30, anomalous: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Rounded scores, so that some tie, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([False, True], [normal, anomalous]))
    return np.round(rng.normal(size=labels.size) + 1.2 * labels, 1), labels


def slow_aurocs(scores: np.ndarray, labels: np.ndarray, resamples: int, seed: int) -> list[float]:
    """The same draws, image by image, through scikit-learn."""
    rng = np.random.default_rng(seed)
    normal, anomalous = scores[~labels], scores[labels]
    normal_draws = rng.integers(len(normal), size=(resamples, len(normal)))
    anomalous_draws = rng.integers(len(anomalous), size=(resamples, len(anomalous)))
    return [
        roc_auc_score(np.repeat([0, 1], [len(first), len(second)]), np.concatenate((normal[first], anomalous[second])))
        for first, second in zip(normal_draws, anomalous_draws, strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_equals_resampling_one_by_one(seed: int):
    scores, labels = random_case(seed)
    aurocs = slow_aurocs(scores, labels, resamples=200, seed=seed)
    for level in (0.95, 0.5):
        expected = np.quantile(aurocs, [(1 - level) / 2, (1 + level) / 2])
        assert auroc_interval(scores, labels, resamples=200, seed=seed, level=level) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_holds_the_point_estimate_and_narrows_with_more_images(seed: int):
    scores, labels = random_case(seed)
    low, high = auroc_interval(scores, labels)
    assert 0 <= low < roc_auc_score(labels, scores) < high <= 1
    more_low, more_high = auroc_interval(*random_case(seed, normal=300, anomalous=400))
    assert more_high - more_low < (high - low) / 2


def test_covers_the_truth_about_as_often_as_it_says():
    # Scores N(0, 1) and N(1.2, 1): the true AUROC is Φ(1.2 / √2) = 0.8019.
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores = np.concatenate((rng.normal(size=60), rng.normal(size=60) + 1.2))
        low, high = auroc_interval(scores, np.repeat([0, 1], 60), resamples=300, level=0.9)
        hits += low <= 0.8019 <= high
    assert 0.84 <= hits / 200 <= 0.95


def test_same_seed_same_bits():
    scores, labels = random_case(0)
    assert auroc_interval(scores, labels, seed=4) == auroc_interval(scores, labels, seed=4)
    assert auroc_interval(scores, labels, seed=4) != auroc_interval(scores, labels, seed=5)


def test_perfect_and_useless_scores_have_no_width():
    labels = np.repeat([0, 1], 10)
    assert auroc_interval(labels * 30.0, labels) == (1.0, 1.0)
    assert auroc_interval(np.full(20, 3.0), labels) == (0.5, 0.5)


def test_one_class_only_is_nan():
    assert all(np.isnan(end) for end in auroc_interval([1.0, 2.0], [0, 0]))
    assert all(np.isnan(end) for end in auroc_interval([1.0, 2.0], [1, 1]))


@pytest.mark.parametrize("wrong", [{"resamples": 0}, {"level": 0.0}, {"level": 1.0}, {"level": 95}])
def test_bad_settings_are_refused(wrong: dict):
    with pytest.raises(UserError, match="resamples must be at least 1 and level"):
        auroc_interval([1.0, 2.0], [0, 1], **wrong)
    with pytest.raises(UserError, match="finite"):
        auroc_interval([1.0, np.nan], [0, 1])
