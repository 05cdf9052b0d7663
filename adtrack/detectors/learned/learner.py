"""What a method trains: a module that says how wrong it is about good images, and how anomalous other images are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from ...features.grids import Grid

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Seen:
    """What a method sees of an image.

    ``shapes`` holds the shape (C, h, w) of each input and ``grids`` where its cells lie in the view, both by the names
    of the inputs. ``network`` is the name of the network whose layers they are, "" if there is none, and ``view`` the
    side of the view in pixels.
    """

    shapes: Mapping[str, tuple[int, int, int]]
    grids: Mapping[str, Grid]
    network: str
    view: int


@dataclass(frozen=True)
class Found:
    """How anomalous an image is: its ``score``, and the scores of its cells, float32 (h, w)."""

    score: float
    cells: Tensor


class Learner(nn.Module, ABC):
    """A module whose parameters are learned from good images, with all that scoring needs.

    It is made with random weights, on the CPU or, where weights are read from a file, on the meta device; so all that
    it learns must be parameters or persistent buffers of its state. ``together`` says whether it has batch norm that
    learns: then it is in train mode while it learns, and an image's loss depends on the others of its batch.
    """

    together: ClassVar[bool] = False

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The loss of each image of a batch, float32 (n,), whose mean is what learning makes smaller."""

    @abstractmethod
    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser of the parameters."""

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where the cells that are scored lie in the view."""

    @abstractmethod
    def found(self, inputs: Mapping[str, Tensor]) -> Found:
        """How anomalous one image is, by its inputs (1, C, h, w)."""

    @abstractmethod
    def graphed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What ``found`` tells of one image, by standard operators alone: the score float32 (), and the scores of the
        cells float32 (h, w), both up to rounding."""

    def drawn(self, count: int, draws: np.random.Generator) -> dict[str, Tensor]:
        """What ``forward`` gets of so many images besides their inputs: numbers that are drawn at random."""
        return {}
