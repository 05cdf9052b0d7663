"""PatchCore's scores: a patch's is its distance to the memory bank, an image's that of its strangest patch
(equations 6 and 7), or the mean of its strangest patches."""

import math

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


def score_patches(patches: Tensor, bank: MemoryBank, neighbours: int, top: float = 0.0) -> Scores:
    """Scores of images by their patches float32 (n, h, w, D).

    ``neighbours`` is b of equation 7. With a share ``top`` above 0 the score is the mean distance of that share of the
    patches instead, of those that are farthest.
    """
    images, height, width, _ = patches.shape
    distances, rows = bank.nearest(patches.flatten(0, 2))
    patches, distances, rows = patches.flatten(1, 2), distances.reshape(images, -1), rows.reshape(images, -1)
    maps = distances.reshape(images, height, width).cpu().numpy()
    if top:
        return Scores(_means(distances.topk(_counted(top, height * width), dim=1).values), maps)
    worst = distances.argmax(dim=1)  # the first of equals
    every = torch.arange(images, device=worst.device)
    image = reweighted(bank, patches[every, worst], rows[every, worst], distances[every, worst], neighbours)
    return Scores(image.cpu().numpy(), maps)


def score_farthest(
    space: PatchSpace, features: FeatureSet, bank: MemoryBank, neighbours: int, top: float, progress: Progress
) -> np.ndarray:
    """The images' scores alone, float64 (n,), with the bits of ``score_patches``: only the farthest patches count."""

    def merge(start: int, stop: int) -> Tensor:
        return space.patches(features.chunk(start, stop, space.layers)).flatten(1, 2)

    key, at_once = digest({"features": features.key, **space.about}), images_at_once(features, space.layers)
    if top:
        count = _counted(top, merge(0, 1).shape[1])
        return _means(largest_distances(key, len(features), merge, bank, at_once, progress, count))
    found = farthest_patches(key, len(features), merge, bank, at_once, progress)
    scores: np.ndarray = reweighted(bank, found.patches, found.rows, found.distances, neighbours).cpu().numpy()
    return scores


def _counted(top: float, patches: int) -> int:
    """How many patches are the share ``top`` of all: at least one."""
    return max(1, math.floor(top * patches + 0.5))


def _means(distances: Tensor) -> np.ndarray:
    """The mean of each row float32 (n, k): float64 (n,). Exact sums do not depend on how many rows there are."""
    return np.array([math.fsum(row) / len(row) for row in distances.double().tolist()])


def reweighted(bank: MemoryBank, patches: Tensor, rows: Tensor, distances: Tensor, neighbours: int) -> Tensor:
    """Equation 7 for each image's worst patch p (n, D), its nearest bank row m* (n,) and their distance s* (n,).

    s = (1 − exp‖p − m*‖ / Σ exp‖p − m‖) · s*, the sum over the b bank rows nearest to m*, itself among them. exp
    overflows at distances that occur, so the quotient is computed as exp of a difference of logarithms.
    """
    farthest = distances.double()
    count = min(neighbours, len(bank))
    if count == 1:
        return farthest
    around = bank.around(rows, count)
    apart = (patches[:, None].double() - bank.patches[around].double()).square().sum(dim=2).sqrt()
    return (1 - torch.exp(farthest - torch.logsumexp(apart, dim=1)).clamp(max=1)) * farthest
