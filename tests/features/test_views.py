"""Views read like a layer: bits, slices, and how often images are decoded for them."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from adtrack.config import ImageSpec, Normalisation
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import view
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import Outputs
from adtrack.features.passes import Product
from adtrack.features.store import FeatureStore
from adtrack.features.weights import Trunk

SPEC = ImageSpec(64, 48)
NO_NETWORK = Backbone(Trunk.none(), ("view",), torch.device("cpu"))


def views_in(folder: Path, images: ImageSet) -> Outputs:
    return FeatureStore(folder).features(images, NO_NETWORK, SPEC).layers["view"]


def test_slices_are_those_of_an_array(tmp_path: Path, train: ImageSet) -> None:
    views = views_in(tmp_path, train)
    whole = np.stack([view(train.image(index), SPEC).numpy() for index in range(len(train))])
    assert views.shape == whole.shape and len(views) == len(whole)
    for part in (slice(None), slice(2, 5), slice(6, 100), slice(0, 0), slice(5, 2), slice(None, None, 3)):
        assert views[part].dtype == np.float32 and np.array_equal(views[part], whole[part])


def test_images_are_decoded_once_for_all_who_read_them(tmp_path: Path, train: ImageSet, decoded: Counter[int]) -> None:
    views = views_in(tmp_path, train)
    assert not decoded, "nobody has read a view"
    assert np.array_equal(views[:], views[:]) and set(decoded.values()) == {1}
    assert np.array_equal(views_in(tmp_path, train)[:], views[:]) and set(decoded.values()) == {1}


def test_another_normalisation_shares_the_pixels(tmp_path: Path, train: ImageSet, decoded: Counter[int]) -> None:
    other = ImageSpec(64, 48, Normalisation((0.5, 0.5, 0.5)))
    views_in(tmp_path, train)[:]
    found = FeatureStore(tmp_path).features(train, NO_NETWORK, other).layers["view"][2:4]
    assert set(decoded.values()) == {1}
    assert np.array_equal(found, np.stack([view(train.image(index), other).numpy() for index in (2, 3)]))


def test_a_view_that_is_changed_does_not_change_the_next(tmp_path: Path, train: ImageSet) -> None:
    views = views_in(tmp_path, train)
    first = views[:1]
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(views[:1], expected)


def test_what_is_beside_the_views_is_made_in_their_pass(tmp_path: Path, train: ImageSet, decoded: Counter[int]) -> None:
    store, beside = FeatureStore(tmp_path), Product("a" * 64, train, lambda index, image: image[:4, :4])
    store.features(train, NO_NETWORK, SPEC, [beside]).layers["view"][:]
    assert store.product(beside, "Corners").shape == (8, 4, 4, 3) and set(decoded.values()) == {1}
