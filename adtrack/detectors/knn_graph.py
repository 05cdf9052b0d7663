"""kNN as a module of standard operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .bank import MemoryBank
from .graphs import ScoreGraph, constant


class KnnGraph(ScoreGraph):
    """The mean distance of an image's vector to the nearest of those in a bank."""

    images: Tensor

    def __init__(self, layers: Sequence[str], bank: MemoryBank, neighbours: int) -> None:
        super().__init__()
        self.layers, self.neighbours = tuple(layers), neighbours
        self.register_buffer("images", constant(bank.patches))

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The image's score."""
        vector = torch.cat([outputs[layer].mean(dim=(2, 3)) for layer in self.layers], dim=1)
        distances = (self.images - vector).square().sum(dim=1).sqrt()
        nearest = distances.topk(self.neighbours, largest=False).values
        return nearest.mean().reshape(1), None
