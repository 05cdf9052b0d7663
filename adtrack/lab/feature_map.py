"""The images of a class on a plane: images lie near each other if the network finds them alike (t-SNE)."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from adtrack.config import VIEW
from adtrack.errors import UserError
from adtrack.evaluation.workbench import Workbench
from adtrack.features.image_vectors import image_vectors

SETS = ("train_clean", "val_clean", "test_clean")
LEAST = 4  # images: fewer have no neighbourhoods to keep
_PERPLEXITY = 30.0
_AT_ONCE = 64  # images whose layer outputs are in memory together


@dataclass(frozen=True)
class PlacedImage:
    """An image, named by its set and its place in it, with its place on the plane.

    ``beside_good`` says whether the image that it resembles most, of all others, is good.
    """

    set_name: str
    index: int
    path: str
    kind: str
    place: tuple[float, float]
    beside_good: bool


def place_images(bench: Workbench, seed: int) -> list[PlacedImage]:
    """All images of ``SETS`` in the order of their sets. UserError: there are too few, or no layer to compare them by.

    An image is the mean of the deepest layer's outputs over all of their cells.
    """
    layer = deepest(bench)
    features = np.concatenate([_means(bench, name, layer) for name in SETS])
    if len(features) < LEAST:
        raise UserError(f"a map of features must have at least {LEAST} images, but got {len(features)}.")
    nearest = NearestNeighbors(n_neighbors=1).fit(features).kneighbors(return_distance=False)[:, 0]
    places = on_a_plane(features, seed)
    images = [(name, index) for name in SETS for index in range(len(bench.opened.images(name)))]
    records = [bench.opened.images(name).records[index] for name, index in images]
    return [
        PlacedImage(name, index, record.path, record.kind, (float(x), float(y)), not records[near].label)
        for (name, index), record, (x, y), near in zip(images, records, places, nearest, strict=True)
    ]


def deepest(bench: Workbench) -> str:
    """The layer whose cells lie farthest apart, of several the last one."""
    layers = [name for name in bench.backbone.layers if name != VIEW]
    if not layers:
        raise UserError("a map of features must have a layer to compare images by, but the methods ask for none.")
    return max(reversed(layers), key=lambda layer: bench.backbone.grids[layer].stride)


def _means(bench: Workbench, name: str, layer: str) -> np.ndarray:
    """The means of a layer's outputs for every image of a set, float64 (n, channels)."""
    found = bench.features(name)
    starts = range(0, len(found), _AT_ONCE)
    parts = [image_vectors(found.chunk(at, min(at + _AT_ONCE, len(found)), (layer,)), (layer,)) for at in starts]
    return torch.cat(parts).double().cpu().numpy()


def on_a_plane(features: np.ndarray, seed: int) -> np.ndarray:
    """Points of a plane, float64 (n, 2), whose neighbourhoods are those of the features (n, D) as far as possible."""
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(features)
