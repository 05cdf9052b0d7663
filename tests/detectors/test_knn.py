"""kNN against a plain computation, and with few images; the contract is tested for every method."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adtrack.config import ImageSpec
from adtrack.detectors.knn import KnnSpec
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.settings import settings
from tests.detectors.fitting import fitted

SPEC = KnnSpec(("b", "a"))
Synthetic = Callable[..., FeatureSet]


def vectors(features: FeatureSet) -> np.ndarray:
    outputs = (features.layers[layer][:] for layer in SPEC.layers)
    return np.concatenate([output.mean(axis=(2, 3), dtype=np.float64).astype(np.float32) for output in outputs], axis=1)


@pytest.mark.parametrize("neighbours", [1, 3, 7, 50])
def test_scores_are_the_mean_distances_to_the_nearest_images(
    synthetic: Synthetic, tmp_path: Path, neighbours: int
) -> None:
    train, test = synthetic(7), synthetic(5, seed=1)
    detector = fitted(train, replace(SPEC, neighbours=neighbours), tmp_path)
    apart = np.linalg.norm(vectors(test).astype(np.float64)[:, None] - vectors(train).astype(np.float64), axis=2)
    expected = np.sort(apart, axis=1)[:, :neighbours].mean(axis=1)
    assert np.allclose(detector.score(test.chunk(0, 5, SPEC.layers)).image, expected, rtol=1e-6)
    assert detector.rows == 7 and detector.megabytes == 7 * 12 * 4 / 1e6


def test_an_image_of_train_is_its_own_nearest(synthetic: Synthetic, tmp_path: Path) -> None:
    train = synthetic(4)
    detector = fitted(train, replace(SPEC, neighbours=1), tmp_path)
    assert np.array_equal(detector.score(train.chunk(1, 3, SPEC.layers)).image, np.zeros(2))


def test_it_has_the_settings_for_drift_that_make_sense() -> None:
    assert KnnSpec(smooth=2.0).view(ImageSpec()).smooth == 2.0
    assert len(KnnSpec(augment=2).draws) == 2
    assert "standardise" not in {one.key for one in settings(KnnSpec)}
    with pytest.raises(UserError, match="neighbours must be a whole number of at least 1, but got 0"):
        KnnSpec(neighbours=0)
