"""The one way from a detector's inputs to scores and anomaly maps: of an image that is served as of a whole set."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..config import VIEW, ImageSpec
from ..features.feature_set import FeatureSet
from ..progress import bar
from .contract import Detector, Scores
from .maps import anomaly_map

_PIECE_BYTES = 2**27  # that a method's inputs may take in memory while a set is scored


def score_features(detector: Detector[Any], features: FeatureSet, what: str) -> Scores:
    """Scores of an image set, computed piece by piece: an image gets the same bits in any batch. ``what`` is the title
    of the progress bar."""
    step = _images_at_once(features, detector.spec.inputs)
    parts = []
    with bar(len(features), what) as progress:
        for at in range(0, len(features), step):
            parts.append(detector.score(features.chunk(at, min(at + step, len(features)), detector.spec.inputs)))
            progress.update(len(parts[-1].image))
    patches = [part.patches for part in parts if part.patches is not None]
    return Scores(np.concatenate([part.image for part in parts]), np.concatenate(patches) if patches else None)


def anomaly_maps(
    detector: Detector[Any], scores: Scores, view: ImageSpec, sizes: Sequence[tuple[int, int]]
) -> list[np.ndarray] | None:
    """The anomaly map of every image that has been scored, each at its own size; None if the method has no maps."""
    if scores.patches is None:
        return None
    return [map_of(detector, patches, view, *size) for patches, size in zip(scores.patches, sizes, strict=True)]


def map_of(detector: Detector[Any], patches: np.ndarray, view: ImageSpec, height: int, width: int) -> np.ndarray:
    """The anomaly map of one image by its patch scores (h, w): float32 (height, width), NaN outside the view's crop."""
    if detector.grid is None:
        raise ValueError(f"{detector.name} scores patches, so it must say where they lie, but its grid is None.")
    return anomaly_map(patches, detector.grid, view, height, width, detector.smoothing)


def _images_at_once(features: FeatureSet, inputs: Sequence[str]) -> int:
    """How many images make a piece: a method may lay all of its layers on the grid of the finest one. Views are as they
    are."""
    shapes = [features.layers[name].shape for name in inputs if name != VIEW]
    cells = max((math.prod(shape[2:]) for shape in shapes), default=0)
    numbers = cells * sum(shape[1] for shape in shapes)
    numbers += math.prod(features.layers[VIEW].shape[1:]) if VIEW in inputs else 0
    return max(1, _PIECE_BYTES // (4 * numbers))
