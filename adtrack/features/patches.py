"""Patch features: layer outputs averaged over p×p neighbourhoods and merged on the finest layer's grid."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from .grids import Grid, linear_taps


def finest(layers: Sequence[str], grids: Mapping[str, Grid]) -> str:
    """The layer whose cells lie closest together; the earlier one of equals."""
    return min(layers, key=lambda layer: grids[layer].stride)


def merge_layers(
    outputs: Mapping[str, Tensor], layers: Sequence[str], grids: Mapping[str, Grid], patch_size: int
) -> Tensor:
    """Patch features (PatchCore, section 3.1): outputs {layer: (n, C, h, w)} → float32 (n, H, W, D).

    Each layer is averaged over ``patch_size``² cells around every cell, and read by bilinear interpolation where the
    cells of the finest layer are centred. Cells outside the map count as zeros, as in the authors' code: networks pad
    too, so features at the border are unlike all others, and if they were as long as these, most images would be judged
    by their border alone. D is the sum of the layers' channels, in the order of ``layers``.
    """
    target = finest(layers, grids)
    height, width = outputs[target].shape[2:]
    rows, columns = grids[target].centres(height), grids[target].centres(width)
    merged = []
    for layer in layers:
        # Channels last: pooling and reading then work on whole vectors of channels, several times faster.
        source = outputs[layer].contiguous(memory_format=torch.channels_last)
        cells = avg_pool2d(source, patch_size, stride=1, padding=patch_size // 2)
        cells = cells.permute(0, 2, 3, 1)
        if layer != target:
            cells = read_at(cells, 1, grids[layer].cells(rows))
            cells = read_at(cells, 2, grids[layer].cells(columns))
        merged.append(cells)
    return torch.cat(merged, dim=3)


def read_at(cells: Tensor, axis: int, positions: np.ndarray) -> Tensor:
    """Linear interpolation of ``cells`` along one axis at fractional ``positions`` (p,), clamped at both ends.

    Two reads a value rather than a matrix product: its bits depend on nothing but the two cells.
    """
    lower, upper, weight = (
        torch.as_tensor(part, device=cells.device) for part in linear_taps(positions, cells.shape[axis])
    )
    weight = weight.to(cells.dtype).reshape([-1 if at == axis else 1 for at in range(cells.ndim)])
    return torch.lerp(cells.index_select(axis, lower), cells.index_select(axis, upper), weight)
