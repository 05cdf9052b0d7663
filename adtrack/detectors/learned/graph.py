"""Methods that learn by gradient as modules of standard operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor

from ...config import DetectorSpec
from ...features.networks import settled
from ..drift import StandardisedSpec
from ..graphs import ScoreGraph, standardised_layers
from .learner import Learner


class LearnedGraph(ScoreGraph):
    """A module that has learned, after what is done to its inputs."""

    def __init__(self, learner: Learner, spec: DetectorSpec, view: int) -> None:
        """``view`` is the side of the view in pixels."""
        super().__init__()
        self.learner = cast(Learner, settled(learner, view).eval())
        self.strength = spec.standardise if isinstance(spec, StandardisedSpec) else 0.0
        self.layers = spec.inputs

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The image's score, and those of its cells."""
        score, cells = self.learner.graphed(standardised_layers(outputs, self.layers, self.strength))
        return score.reshape(1), cells[None]
