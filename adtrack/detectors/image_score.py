"""PatchCore's scores: a patch's is its distance to the memory bank, an image's that of its strangest patch
(equations 6 and 7), or the mean of its strangest patches."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config import digest
from ..features.feature_set import FeatureSet
from ..progress import Progress
from .bank import MemoryBank
from .contract import Scores
from .hausdorff import farthest_patches, largest_distances
from .patch_space import PatchSpace
from .scoring import images_at_once


@dataclass(frozen=True)
class ScoreRule:
    """How the distances of patches become scores.

    ``neighbours`` is b of equation 7. With a share ``top`` above 0 an image's score is the mean distance of that share
    of its patches instead, of those that are farthest. ``cosine`` says that patches are unit vectors whose distance is
    1 − cos of the angle between them.
    """

    neighbours: int
    top: float = 0.0
    cosine: bool = False

    def distance(self, apart: Tensor) -> Tensor:
        """The distance of patches that are so far ``apart`` in space: the larger the one, the larger the other."""
        return apart.square() / 2 if self.cosine else apart

    def counted(self, patches: int) -> int:
        """How many of an image's patches are the share ``top`` of all: at least one."""
        return max(1, math.floor(self.top * patches + 0.5))


def score_patches(patches: Tensor, bank: MemoryBank, rule: ScoreRule) -> Scores:
    """Scores of images by their patches float32 (n, h, w, D)."""
    images, height, width, _ = patches.shape
    distances, rows = bank.nearest(patches.flatten(0, 2))
    patches, distances, rows = patches.flatten(1, 2), distances.reshape(images, -1), rows.reshape(images, -1)
    maps = rule.distance(distances).reshape(images, height, width).cpu().numpy()
    if rule.top:
        return Scores(_means(rule.distance(distances.topk(rule.counted(height * width), dim=1).values)), maps)
    worst = distances.argmax(dim=1)  # the first of equals
    every = torch.arange(images, device=worst.device)
    image = reweighted(bank, patches[every, worst], rows[every, worst], distances[every, worst], rule)
    return Scores(image.cpu().numpy(), maps)


def score_farthest(
    space: PatchSpace, features: FeatureSet, bank: MemoryBank, rule: ScoreRule, progress: Progress
) -> np.ndarray:
    """The images' scores alone, float64 (n,), with the bits of ``score_patches``: only the farthest patches count."""

    def merge(start: int, stop: int) -> Tensor:
        return space.patches(features.chunk(start, stop, space.layers)).flatten(1, 2)

    key, at_once = digest({"features": features.key, **space.about}), images_at_once(features, space.layers)
    if rule.top:
        count = rule.counted(merge(0, 1).shape[1])
        return _means(rule.distance(largest_distances(key, len(features), merge, bank, at_once, progress, count)))
    found = farthest_patches(key, len(features), merge, bank, at_once, progress)
    scores: np.ndarray = reweighted(bank, found.patches, found.rows, found.distances, rule).cpu().numpy()
    return scores


def _means(distances: Tensor) -> np.ndarray:
    """The mean of each row float32 (n, k): float64 (n,). Exact sums do not depend on how many rows there are."""
    return np.array([math.fsum(row) / len(row) for row in distances.double().tolist()])


def reweighted(bank: MemoryBank, patches: Tensor, rows: Tensor, distances: Tensor, rule: ScoreRule) -> Tensor:
    """Equation 7 for each image's worst patch p (n, D), its nearest bank row m* (n,) and how far they are apart (n,).

    s = (1 − exp d(p, m*) / Σ exp d(p, m)) · d(p, m*), the sum over the b bank rows nearest to m*, itself among them,
    and d the distance. exp overflows at distances that occur, so the quotient is computed as exp of a difference of
    logarithms.
    """
    farthest = rule.distance(distances).double()
    count = min(rule.neighbours, len(bank))
    if count == 1:
        return farthest
    around = bank.around(rows, count)
    apart = (patches[:, None].double() - bank.patches[around].double()).square().sum(dim=2).sqrt()
    return (1 - torch.exp(farthest - torch.logsumexp(rule.distance(apart), dim=1)).clamp(max=1)) * farthest
