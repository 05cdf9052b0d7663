"""A detector whose module has learned by gradient: all that such methods have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from ..contract import Detector, FitResult, Scores
from .spec import LearnedSpec

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from ...features.feature_set import FeatureSet
    from ...features.grids import Grid
    from ..graphs import ScoreGraph
    from ..training import TrainingSet
    from .learner import Learner, Seen

LearnedSpecKind = TypeVar("LearnedSpecKind", bound=LearnedSpec)


class LearnedDetector(Detector[LearnedSpecKind]):
    """A method that learns by gradient. It says which module it trains, and how that module scores is its score.

    ``repeatable`` holds on the same kind of device.
    """

    rows_called: ClassVar[str] = "parameters"
    least_images = 2

    def __init__(self, spec: LearnedSpecKind, learner: Learner, seen: Seen) -> None:
        """``learner`` is in eval mode, on the device that the detector shall score on."""
        self.spec, self.learner, self.seen = spec, learner.requires_grad_(False), seen

    @classmethod
    @abstractmethod
    def learner_of(cls, spec: Any, seen: Seen) -> Learner:
        """A new module with random weights. UserError if it cannot be made for these inputs."""

    @classmethod
    def fit(cls, train: TrainingSet, spec: LearnedSpecKind) -> FitResult[LearnedSpecKind]:
        """Train the module on all images but those held out, which tell the best epoch."""
        from .fitting import fit_learner, what_is_seen

        learner, trained = fit_learner(cls.learner_of, train, spec)
        return FitResult(cls(spec, learner, what_is_seen(train)), trained.saved_seconds, trained.epochs)

    @classmethod
    def effort(cls, train: FeatureSet, spec: LearnedSpecKind) -> float:
        """Images that are learned from: those of all epochs, unless it stops earlier."""
        return float(len(train) * (1 + len(spec.draws)) * spec.epochs)

    @property
    def grid(self) -> Grid:
        """The grid of the cells that the module scores."""
        return self.learner.grid

    @property
    def rows(self) -> int:
        return sum(parameter.numel() for parameter in self.learner.parameters())

    @property
    def megabytes(self) -> float:
        return sum(tensor.nbytes for tensor in self.state().values()) / 1e6

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """What the module finds, image by image, since the bits of products can depend on their sizes."""
        from .scoring import score_each

        return score_each(self.learner, self.spec, batch)

    def graph(self) -> ScoreGraph:
        """The module that has learned, as it scores one image."""
        from .graph import LearnedGraph

        return LearnedGraph(self.learner, self.spec, self.seen.view)

    def state(self) -> Mapping[str, Tensor]:
        return self.learner.state_dict()

    def save(self, folder: Path) -> None:
        """Write ``learned.safetensors`` and ``detector.json``."""
        from .files import save_learner

        save_learner(folder, self.spec, self.learner, self.seen)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Self:
        """Read a detector that ``save`` wrote. UserError if it is damaged."""
        from .files import load_learner

        kind: Any = cls.spec_type
        return cls(*load_learner(folder, kind, cls.learner_of, device))
