"""What methods' graphs have in common: modules of standard operators that score one image as the methods do.

Other runtimes compute such a module without torch, so it holds all that a method has learned as constants, works in
float32, and asks no number for its value. Its scores are the method's up to rounding.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ..features.grids import Grid, linear_taps
from ..features.patches import finest, patch_grid, require_grids
from .maps import view_weights
from .standardising import LEAST_SPREAD


class ScoreGraph(nn.Module, ABC):
    """A fitted method as a module, on the CPU and with tensors of its own."""

    @abstractmethod
    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """One image's inputs {name: float32 (1, C, h, w)} → its score float32 (1,), and the scores of its cells float32
        (1, h, w), or None if the method scores whole images only."""


def constant(tensor: Tensor) -> Tensor:
    """A copy of a learned tensor on the CPU, in one order in memory."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def standardised_layers(outputs: Mapping[str, Tensor], layers: Sequence[str], strength: float) -> dict[str, Tensor]:
    """What ``standardising.standardised`` makes of the outputs {layer: (1, C, h, w)} of these layers."""
    return {layer: _standardised(outputs[layer], strength) if strength else outputs[layer] for layer in layers}


def _standardised(output: Tensor, strength: float) -> Tensor:
    mean = output.mean(dim=(2, 3), keepdim=True)
    variance = (output - mean).square().mean(dim=(2, 3), keepdim=True)
    typical = variance.mean()
    spread = torch.maximum(variance, LEAST_SPREAD**2 * typical).sqrt()
    return (output - strength * mean) / torch.where(typical > 0, spread, 1.0) ** strength


@dataclass(frozen=True)
class ReadLayer:
    """A layer's cells float32 (…, h, w), averaged over their neighbourhoods, and how patches are read between them.

    ``taps`` are the weights of the cells at the patches, along the rows (H, h) and along the columns (W, w). They are
    None where each cell is a patch.
    """

    cells: Tensor
    taps: tuple[Tensor, Tensor] | None

    def parts(self) -> Tensor:
        """What the layer gives to each patch: float32 (…, H, W)."""
        if self.taps is None:
            return self.cells
        down, across = self.taps
        return down @ self.cells @ across.T

    def read(self, values: Tensor) -> Tensor:
        """Values float32 (h, w, n) of the cells, read where patches are: float32 (H, W, n)."""
        if self.taps is None:
            return values
        down, across = self.taps
        read = across @ values
        return (down @ read.flatten(1)).reshape(len(down), *read.shape[1:])


def read_layers(
    outputs: Mapping[str, Tensor], layers: Sequence[str], grids: Mapping[str, Grid], patch_size: int, stride: int = 1
) -> list[ReadLayer]:
    """The layers' cells of one image, and how patches are made of them. The finest layer's cells are the patches."""
    require_grids(outputs, layers)
    target = finest(layers, grids)
    grid, shape = grids[target].every(stride), patch_grid(outputs[target], stride)
    found = []
    for layer in layers:
        step = stride if layer == target else 1
        cells = avg_pool2d(outputs[layer], patch_size, stride=step, padding=patch_size // 2)
        found.append(ReadLayer(cells, None if layer == target else _taps(grids[layer], grid, cells.shape, shape)))
    return found


def merged_layers(
    outputs: Mapping[str, Tensor], layers: Sequence[str], grids: Mapping[str, Grid], patch_size: int, stride: int = 1
) -> Tensor:
    """What ``features.patches.merge_layers`` makes of one image, with the channels first: float32 (1, D, H, W)."""
    return torch.cat([layer.parts() for layer in read_layers(outputs, layers, grids, patch_size, stride)], dim=1)


def read_on(cells: Tensor, source: Grid, target: Grid, shape: Sequence[int]) -> Tensor:
    """Values (…, h, w) of the cells of one grid, read where the cells of another lie, of which there are ``shape``."""
    return ReadLayer(cells, _taps(source, target, cells.shape, shape)).parts()


def drawn_in_view(cells: Tensor, grid: Grid, view: int, smoothing: float) -> Tensor:
    """What ``maps.view_map`` makes of cells float32 (…, h, w): float32 (…, view, view)."""
    down, across = (_in_view(grid, view, count, smoothing) for count in cells.shape[-2:])
    return down @ cells @ across.T


@functools.lru_cache(maxsize=16)
def _in_view(grid: Grid, view: int, count: int, smoothing: float) -> Tensor:
    return view_weights(grid, view, count, smoothing).float()


def _taps(source: Grid, target: Grid, counts: Sequence[int], wanted: Sequence[int]) -> tuple[Tensor, Tensor]:
    down, across = (_reading(source, target, *sizes) for sizes in zip(counts[-2:], wanted, strict=True))
    return down, across


def _reading(source: Grid, target: Grid, count: int, wanted: int) -> Tensor:
    """The weight of each of ``count`` cells of one grid at each of ``wanted`` cells of the other: float32."""
    lower, upper, weight = linear_taps(source.cells(target.centres(wanted)), count)
    weights, rows = np.zeros((wanted, count), np.float32), np.arange(wanted)
    weights[rows, lower] += (1 - weight).astype(np.float32)
    weights[rows, upper] += weight.astype(np.float32)
    return torch.from_numpy(weights)
