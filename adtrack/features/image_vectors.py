"""One vector for a whole image: the mean of each channel over the cells of a layer."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .threads import fixed_threads


def image_vectors(outputs: Mapping[str, Tensor], layers: Sequence[str]) -> Tensor:
    """Layer outputs {layer: float32 (n, C, h, w)} → float32 (n, D), the layers' means one after the other.

    A layer of a single cell, such as a transformer's class token, is its own mean.
    """
    with fixed_threads():
        return torch.cat([torch.stack([_means(image) for image in outputs[layer]]) for layer in layers], dim=1)


def _means(image: Tensor) -> Tensor:
    """The means float32 (C,) of one image's channels (C, h, w)."""
    # The cells are copied into one order: in another one, or at other addresses in memory, sums could have other bits.
    cells = image.to(torch.float64, memory_format=torch.contiguous_format, copy=True)
    return cells.mean(dim=(1, 2)).float()
