"""The module of ``feature_ae``: an autoencoder of each cell of merged feature maps."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...features.grids import Grid
from ...features.patches import finest, merge_layers
from ..graphs import merged_layers
from .learner import Found, Learner, Seen

if TYPE_CHECKING:
    from .feature_ae import FeatureAeSpec

_NEIGHBOURHOOD = 3  # cells on a side that are averaged, as PatchCore's usual patches are
_TOP = 10  # cells, the most anomalous ones, whose mean is an image's score


class FeatureAutoencoder(Learner):
    """One-by-one convolutions down to ``spec.latent`` channels and back, with one width in between on either way."""

    def __init__(self, spec: FeatureAeSpec, seen: Seen) -> None:
        super().__init__()
        self.spec, self.grids = spec, {layer: seen.grids[layer] for layer in spec.layers}
        channels = sum(seen.shapes[layer][0] for layer in spec.layers)
        between = (channels + spec.latent) // 2
        widths = [channels, between, spec.latent, between, channels]
        parts = [part for pair in pairwise(widths) for part in (nn.Conv2d(*pair, 1), nn.ReLU())]
        self.autoencoder = nn.Sequential(*parts[:-1])

    @property
    def grid(self) -> Grid:
        """That of the finest layer."""
        return self.grids[finest(self.spec.layers, self.grids)]

    def errors(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The mean squared error of each cell's channels: (n, h, w)."""
        return self._errors(merge_layers(inputs, self.spec.layers, self.grids, _NEIGHBOURHOOD).permute(0, 3, 1, 2))

    def _errors(self, merged: Tensor) -> Tensor:
        errors: Tensor = (self.autoencoder(merged) - merged).square().mean(dim=1)
        return errors

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The mean squared error of each image."""
        return self.errors(inputs).mean(dim=(1, 2))

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.spec.lr)

    def found(self, inputs: Mapping[str, Tensor]) -> Found:
        """The errors of an image's cells, and the mean of the largest ones."""
        cells = self.errors(inputs)[0]
        return Found(float(_largest(cells).double().mean()), cells)

    def graphed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The same by standard operators."""
        cells = self._errors(merged_layers(inputs, self.spec.layers, self.grids, _NEIGHBOURHOOD))[0]
        return _largest(cells).mean(), cells


def _largest(cells: Tensor) -> Tensor:
    return cells.flatten().topk(min(_TOP, cells.numel())).values
