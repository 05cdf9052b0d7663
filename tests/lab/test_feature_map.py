"""The map of features: every image has a place, which is the same each time, and the neighbour that a plain search
finds."""

from dataclasses import replace

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.lab.feature_map import SETS, deepest, on_a_plane, place_images
from adtrack.lab.setup import Setup


def test_every_image_has_a_place_and_a_neighbour(setup: Setup) -> None:
    bench = setup.bench("part")
    placed = place_images(bench, 42)
    told = [(one.set_name, one.index, one.path, one.kind) for one in placed]
    sets = [bench.opened.images(name) for name in SETS]
    assert told == [
        (images.name, index, record.path, record.kind) for images in sets for index, record in enumerate(images.records)
    ]
    outputs = [bench.features(name).layers["layer2"] for name in SETS]
    means = np.concatenate([np.asarray(part, dtype=np.float64).mean(axis=(2, 3)) for part in outputs])
    distances = np.linalg.norm(means[:, None] - means[None], axis=2) + np.diag(np.full(len(means), np.inf))
    labels = np.concatenate([images.labels for images in sets])
    assert [one.beside_good for one in placed] == [labels[near] == 0 for near in distances.argmin(axis=1)]
    assert place_images(setup.bench("part"), 42) == placed


def test_images_that_are_alike_lie_together() -> None:
    draws = np.random.default_rng(0)
    features = draws.standard_normal((60, 8)) + np.repeat([[0.0], [20.0]], 30, axis=0)
    places = on_a_plane(features, 0)
    near = [int(np.linalg.norm(places - place, axis=1).argsort()[1]) for place in places]
    assert places.shape == (60, 2) and all((one < 30) == (other < 30) for one, other in enumerate(near))
    assert on_a_plane(features[:4], 0).shape == (4, 2)


def test_the_deepest_layer_is_compared_whatever_the_order(setup: Setup) -> None:
    spec = setup.detectors[0]
    for layers in (("layer2", "layer3"), ("layer3", "layer2")):
        assert deepest(replace(setup, detectors=(replace(spec, layers=layers),)).bench("part")) == "layer3"
    bench = replace(setup, detectors=()).bench("part")
    with pytest.raises(UserError, match="must have a layer to compare images by"):
        deepest(bench)
