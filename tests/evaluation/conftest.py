"""Scored image sets without a detector."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adtrack.data.imageset import image_set
from adtrack.data.splits import Splits
from adtrack.evaluation.evaluate import ScoredSet


@pytest.fixture
def scored(tiny_splits: Splits, tiny_data: Path) -> ScoredSet:
    """Val-clean with random scores, and maps that are hotter on defects."""
    images = image_set(tiny_splits, tiny_data, "val", "clean")
    draws = np.random.default_rng(0)
    maps = [draws.random((64, 64), dtype=np.float32) + 0.3 * images.mask(at) for at in range(len(images))]
    return ScoredSet(images, draws.random(len(images)), maps)


@pytest.fixture
def good_images(scored: ScoredSet) -> ScoredSet:
    """The same without the images that are anomalous."""
    good = np.flatnonzero(scored.images.labels == 0)
    images = replace(scored.images, records=tuple(scored.images.records[at] for at in good))
    return ScoredSet(images, np.array([1.0, 3.0]), [scored.maps[at] for at in good])
