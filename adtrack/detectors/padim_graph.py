"""PaDiM as a module of standard operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from .gaussians import Gaussians, anomaly_maps, embedding
from .graphs import ScoreGraph, constant, standardised_layers


class PadimGraph(ScoreGraph):
    """The Mahalanobis distances of an image's patches (equation 2), and the maximum of anomalib's anomaly map."""

    mean: Tensor
    inverse: Tensor

    def __init__(self, gaussians: Gaussians, layers: Sequence[str], view: int, standardise: float) -> None:
        """``layers`` come finest first, and ``view`` is the side of the view in pixels."""
        super().__init__()
        self.layers, self.view, self.strength = tuple(layers), view, standardise
        self.maps = anomaly_maps()
        self.idx = gaussians.idx
        self.register_buffer("mean", constant(gaussians.mean))
        self.register_buffer("inverse", constant(gaussians.inverse))

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The image's score, and the distances of its patches."""
        patches = embedding(standardised_layers(outputs, self.layers, self.strength), self.layers, self.idx)
        distances = self.maps.compute_distance(patches, [self.mean, self.inverse])
        smooth = self.maps.smooth_anomaly_map(self.maps.up_sample(distances, (self.view, self.view)))
        return smooth.max().reshape(1), distances[0]
