"""PatchCore's scores: a patch's is its distance to the memory bank, an image's that of its strangest patch
(equations 6 and 7)."""

import torch
from torch import Tensor

from .bank import MemoryBank
from .contract import Scores


def score_patches(patches: Tensor, bank: MemoryBank, neighbours: int) -> Scores:
    """Scores of images by their patches float32 (n, h, w, D); ``neighbours`` is b of equation 7."""
    images, height, width, _ = patches.shape
    distances, rows = bank.nearest(patches.flatten(0, 2))
    patches, distances, rows = patches.flatten(1, 2), distances.reshape(images, -1), rows.reshape(images, -1)
    worst = distances.argmax(dim=1)  # the first of equals
    every = torch.arange(images, device=worst.device)
    image = reweighted(bank, patches[every, worst], rows[every, worst], distances[every, worst], neighbours)
    return Scores(image.cpu().numpy(), distances.reshape(images, height, width).cpu().numpy())


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
