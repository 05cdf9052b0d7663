"""The one way from a detector's inputs to scores and anomaly maps: of an image that is served as of a whole set."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from ..config import VIEW, ImageSpec
from ..features.feature_set import FeatureSet
from ..features.threads import fixed_threads, side_by_side, workers_on
from ..progress import bar
from .contract import Detector, Scores
from .known_patches import known_patches
from .maps import anomaly_map

_PIECE_BYTES = 2**27  # that a method's inputs may take in memory while a piece of a set is scored
_ON_A_CORE = 16  # images of a piece at most


def score_features(detector: Detector[Any], features: FeatureSet, what: str) -> Scores:
    """Scores of an image set, computed piece by piece: an image gets the same bits in any batch. ``what`` is the title
    of the progress bar."""

    def scored(piece: range) -> Scores:
        batch = features.chunk(piece.start, piece.stop, detector.spec.inputs)
        with fixed_threads():  # the other cores score other images
            return detector.score(batch)

    parts = []
    pieces = image_pieces(len(features), images_at_once(features, detector.spec.inputs), features.device)
    with bar(len(features), what) as progress:
        for part in side_by_side(scored, pieces, workers_on(features.device)):
            parts.append(part)
            progress.update(len(part.image))
    patches = [part.patches for part in parts if part.patches is not None]
    return Scores(np.concatenate([part.image for part in parts]), np.concatenate(patches) if patches else None)


class AnomalyMaps:
    """The anomaly maps of an image set, float32 (H, W) each at its image's own size, NaN outside the view's crop.

    A map is computed whenever it is read, so that maps of large photos do not fill the memory. Patch scores are kept.
    Those of images that have not been scored before, by this detector or one with the same ``patch_digest``, are
    computed when they are first needed.
    """

    def __init__(
        self,
        detector: Detector[Any],
        features: FeatureSet,
        view: ImageSpec,
        sizes: Sequence[tuple[int, int]],
        patches: np.ndarray | None = None,
    ) -> None:
        """``sizes`` holds height and width of every image. ``patches`` float32 (n, h, w) are known patch scores."""
        self._detector, self._features, self._view, self._sizes = detector, features, view, sizes
        self._patches = known_patches(features.key, detector.patch_digest)
        if patches is not None:
            self._patches |= dict(enumerate(patches))

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int, /) -> np.ndarray:
        """The map of one image."""
        return map_of(self._detector, self.patches(index), self._view, *self._sizes[index])

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.__getitem__, range(len(self)))

    def patches(self, index: int) -> np.ndarray:
        """The patch scores of one image, float32 (h, w)."""
        if index not in self._patches:
            scores = self._detector.score(self._features.chunk(index, index + 1, self._detector.spec.inputs))
            if scores.patches is None:
                raise ValueError(f"{self._detector.name} scores whole images only, so it has no anomaly maps.")
            self._patches[index] = scores.patches[0]
        return self._patches[index]


def map_of(detector: Detector[Any], patches: np.ndarray, view: ImageSpec, height: int, width: int) -> np.ndarray:
    """The anomaly map of one image by its patch scores (h, w): float32 (height, width), NaN outside the view's crop."""
    if detector.grid is None:
        raise ValueError(f"{detector.name} scores patches, so it must say where they lie, but its grid is None.")
    return anomaly_map(patches, detector.grid, view, height, width, detector.smoothing)


def image_pieces(images: int, at_once: int, device: torch.device) -> list[range]:
    """All images in pieces of about the same size, of at most ``at_once`` images. Where each core of the processor
    looks at other ones, none is so large that some cores would wait for others at the end."""
    count = -(-images // (min(at_once, _ON_A_CORE) if device.type == "cpu" else at_once))
    ends = [images * part // count for part in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(ends)]


def images_at_once(features: FeatureSet, inputs: Sequence[str]) -> int:
    """How many images make a piece: a method may lay all of its layers on the grid of the finest one. Views are as they
    are."""
    shapes = [features.layers[name].shape for name in inputs if name != VIEW]
    cells = max((math.prod(shape[2:]) for shape in shapes), default=0)
    numbers = cells * sum(shape[1] for shape in shapes)
    numbers += math.prod(features.layers[VIEW].shape[1:]) if VIEW in inputs else 0
    return max(1, _PIECE_BYTES // (4 * numbers))


def image_scores(detector: Detector[Any], features: FeatureSet, what: str) -> Scores:
    """The images' scores with the bits that ``score_features`` gives; those of patches only if the method knows no
    shorter way."""
    with bar(len(features), what) as progress:
        scores = detector.score_images(features, progress)
    return score_features(detector, features, what) if scores is None else Scores(scores, None)
