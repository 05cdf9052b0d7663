"""Methods that learn by gradient as modules of standard operators."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor

from ...config import DetectorSpec
from ..drift import StandardisedSpec
from ..graphs import ScoreGraph, standardised_layers
from .learner import Learner


class LearnedGraph(ScoreGraph):
    """A module that has learned, after what is done to its inputs."""

    def __init__(self, learner: Learner, spec: DetectorSpec) -> None:
        super().__init__()
        self.learner = copy.deepcopy(learner).cpu().eval()
        self.strength = spec.standardise if isinstance(spec, StandardisedSpec) else 0.0
        self.layers = spec.inputs

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The image's score, and those of its cells."""
        score, cells = self.learner.graphed(standardised_layers(outputs, self.layers, self.strength))
        return score.reshape(1), cells[None]
