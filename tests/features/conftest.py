"""An image set, and a count of how often its images are decoded."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.splits import Splits


@pytest.fixture
def train(tiny_splits: Splits, tiny_data: Path) -> ImageSet:
    return image_set(tiny_splits, tiny_data, "train", "clean")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Counts how often each image is decoded."""
    counts: Counter[int] = Counter()
    decode = ImageSet.decoded

    def decoded(images: ImageSet, index: int) -> np.ndarray:
        counts[index] += 1
        return decode(images, index)

    monkeypatch.setattr(ImageSet, "decoded", decoded)
    return counts
