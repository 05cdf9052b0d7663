"""DFM as a module of standard operators."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import linear

from .graphs import ScoreGraph, constant, merged_layers, standardised_layers
from .principal_components import PooledMaps, PrincipalComponents


class DfmGraph(ScoreGraph):
    """The squared distance of an image's pooled maps from the space of the principal components."""

    mean: Tensor
    axes: Tensor

    def __init__(self, maps: PooledMaps, principal: PrincipalComponents) -> None:
        super().__init__()
        self.maps = maps
        self.register_buffer("mean", constant(principal.mean))
        self.register_buffer("axes", constant(principal.axes.flatten(1)))

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The image's score, and each cell's share of it."""
        maps = self.maps
        standard = standardised_layers(outputs, maps.layers, maps.standardise)
        merged = merged_layers(standard, maps.layers, maps.grids, 1)
        down, across = (_averages(count, maps.pooling) for count in merged.shape[2:])
        beyond = ((down @ merged @ across.T)[0] - self.mean).reshape(1, -1)
        beyond = beyond - linear(beyond, self.axes) @ self.axes
        cells = beyond.reshape(self.mean.shape).square().sum(dim=0)
        return cells.sum().reshape(1), cells[None]


def _averages(count: int, pooling: int) -> Tensor:
    """The weight of each of ``count`` cells in each square along one axis: float32. The last square may be smaller."""
    squares = torch.arange(count) // pooling
    weights = (torch.arange(-(-count // pooling))[:, None] == squares).float()
    return weights / weights.sum(dim=1, keepdim=True)
