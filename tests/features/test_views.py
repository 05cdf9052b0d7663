"""Views read like a layer: bits, slices, and how much is kept in memory."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adtrack.config import ImageSpec
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.loading import view
from adtrack.data.splits import Splits
from adtrack.features.views import Views

SPEC = ImageSpec(64, 48)


@pytest.fixture
def train(tiny_splits: Splits, tiny_data: Path) -> ImageSet:
    return image_set(tiny_splits, tiny_data, "train", "clean")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Counts how often each image is decoded."""
    counts: Counter[int] = Counter()
    decode = ImageSet.image

    def image(images: ImageSet, index: int) -> np.ndarray:
        counts[index] += 1
        return decode(images, index)

    monkeypatch.setattr(ImageSet, "image", image)
    return counts


def test_slices_are_those_of_an_array(train: ImageSet) -> None:
    views = Views(train, SPEC)
    whole = np.stack([view(train.image(index), SPEC).numpy() for index in range(len(train))])
    assert views.shape == whole.shape and len(views) == len(whole)
    for part in (slice(None), slice(2, 5), slice(6, 100), slice(0, 0), slice(None, None, 3)):
        assert views[part].dtype == np.float32 and np.array_equal(views[part], whole[part])


def test_images_that_fit_are_decoded_once(
    train: ImageSet, decoded: Counter[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    views = Views(train, SPEC)
    assert np.array_equal(views[:], views[:]) and set(decoded.values()) == {1}
    decoded.clear()
    monkeypatch.setattr("adtrack.features.views.KEPT_BYTES", 3 * 48 * 48 * 3)  # of three images
    views = Views(train, SPEC)
    assert np.array_equal(views[:], views[:]) and sorted(decoded.values()) == [1] * 3 + [2] * (len(train) - 3)


def test_a_view_that_is_changed_does_not_change_the_next(train: ImageSet) -> None:
    views = Views(train, SPEC)
    first = views[:1]
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(views[:1], expected)
