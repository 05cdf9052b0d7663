"""Patch features: layer outputs averaged over p×p neighbourhoods and merged on the finest layer's grid."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..errors import UserError
from .grids import Grid, linear_taps


def finest(layers: Sequence[str], grids: Mapping[str, Grid]) -> str:
    """The layer whose cells lie closest together; the earlier one of equals."""
    return min(layers, key=lambda layer: grids[layer].stride)


def require_grids(outputs: Mapping[str, Tensor], layers: Sequence[str]) -> None:
    """Raise UserError unless each layer's output (n, C, h, w) is a grid of patches."""
    for layer in layers:
        shape = tuple(outputs[layer].shape[1:])
        if min(shape[1:]) < 2:
            raise UserError(
                f"layer must give a grid of patches, but {layer} gives shape {shape}.",
                "choose a layer before the pooling, or a larger crop.",
            )


def merge_layers(
    outputs: Mapping[str, Tensor],
    layers: Sequence[str],
    grids: Mapping[str, Grid],
    patch_size: int,
    stride: int = 1,
) -> Tensor:
    """Patch features (PatchCore, section 3.1): outputs {layer: (n, C, h, w)} → float32 (n, H, W, D).

    Each layer is averaged over ``patch_size``² cells around every cell, and read by bilinear interpolation where the
    cells of the finest layer are centred: all of them, or every ``stride``-th along both axes. D is the sum of the
    layers' channels, in the order of ``layers``.

    Cells outside the map count as zeros, as in the authors' code. Networks pad too, so features at the border are
    unlike all others; if they were as long as these, the border alone would decide the score of most images.
    """
    require_grids(outputs, layers)
    target = finest(layers, grids)
    grid, count = grids[target].every(stride), len(outputs[target])
    height, width = patch_grid(outputs[target], stride)
    channels = [outputs[layer].shape[1] for layer in layers]
    merged = outputs[target].new_empty(count, height, width, sum(channels))
    at_once = count if merged.is_cuda else 1  # one image stays in the processor's cache
    for start in range(0, count, max(at_once, 1)):
        images = slice(start, start + at_once)
        for layer, part in zip(layers, torch.split(merged[images], channels, dim=3), strict=True):
            cells = _average(outputs[layer][images], patch_size, stride if layer == target else 1)
            if layer == target:
                part.copy_(cells)
            else:
                taps = functools.partial(taps_between, grids[layer], grid, device=part.device)
                down, across = taps(cells.shape[1], height), taps(cells.shape[2], width)
                read_at(read_at(cells, 1, down), 2, across, out=part)
    return merged


def patch_grid(output: Tensor, stride: int) -> tuple[int, int]:
    """Rows and columns of the patches of a finest layer's output (n, C, h, w)."""
    return -(-output.shape[2] // stride), -(-output.shape[3] // stride)


def _average(output: Tensor, patch_size: int, stride: int) -> Tensor:
    """A layer's output (n, C, h, w) averaged over the neighbourhoods of every ``stride``-th cell: (n, H, W, C)."""
    # With the channels last, pooling and reading work on whole vectors of channels and are several times faster.
    source = output.contiguous(memory_format=torch.channels_last)
    return avg_pool2d(source, patch_size, stride=stride, padding=patch_size // 2).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class Taps:
    """Where linear interpolation reads: between the cells ``lower`` and ``upper``, both int64 (p,), by ``weight``."""

    lower: Tensor
    upper: Tensor
    weight: Tensor

    @classmethod
    def at(cls, positions: np.ndarray, count: int, device: torch.device | str = "cpu") -> "Taps":
        """At fractional ``positions`` (p,) among ``count`` cells, clamped at both ends."""
        return cls(*(torch.as_tensor(part, device=device) for part in linear_taps(positions, count)))


@functools.lru_cache(maxsize=64)
def taps_between(source: Grid, target: Grid, count: int, wanted: int, device: torch.device) -> Taps:
    """Where the ``wanted`` cells of one grid lie among the ``count`` cells of another, along either axis."""
    return Taps.at(source.cells(target.centres(wanted)), count, device)


def on_grid(cells: Tensor, source: Grid, target: Grid, shape: Sequence[int]) -> Tensor:
    """Values (h, w) of the cells of one grid, read where the cells of another lie, of which there are ``shape``."""
    for axis, wanted in enumerate(shape):
        cells = read_at(cells, axis, taps_between(source, target, cells.shape[axis], wanted, cells.device))
    return cells


def read_at(cells: Tensor, axis: int, taps: Taps, out: Tensor | None = None) -> Tensor:
    """Linear interpolation of ``cells`` along one axis.

    Each value is read from two cells, not computed by a matrix product, so that its bits depend on these cells alone.
    """
    weight = taps.weight.to(cells.dtype).reshape([-1 if at == axis else 1 for at in range(cells.ndim)])
    return torch.lerp(cells.index_select(axis, taps.lower), cells.index_select(axis, taps.upper), weight, out=out)
