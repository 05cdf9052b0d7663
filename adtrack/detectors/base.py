"""What every detector does: turn layer outputs into distances, and keep itself on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from ..config import DetectorSpec
from ..features.feature_set import FeatureSet
from ..features.grids import Grid
from .orders import OrderStore


@dataclass(frozen=True)
class Scores:
    """What a detector says of n images; larger is more anomalous, nothing is squashed or rescaled.

    ``image`` is float64 (n,), one score an image; ``patches`` float32 (n, h, w), one an image patch, whose centres lie
    where the detector's ``grid`` says.
    """

    image: np.ndarray
    patches: np.ndarray


class Detector(Protocol):
    """A fitted detector."""

    spec: DetectorSpec
    layers: tuple[str, ...]

    @classmethod
    def prepare(cls) -> None:
        """Load the libraries that only this detector needs, so that no time measured later holds that."""
        ...

    @classmethod
    def fit(cls, features: FeatureSet, spec: DetectorSpec, orders: OrderStore) -> Self:
        """Learn from the features of good images; greedy orders that it computes are kept in ``orders``."""
        ...

    @property
    def grid(self) -> Grid:
        """Where the patches of ``Scores`` lie in the view."""
        ...

    @property
    def rows(self) -> int:
        """How many rows it remembers of good parts: PatchCore's patches, PaDiM's Gaussians (one a grid position)."""
        ...

    @property
    def megabytes(self) -> float:
        """Size of what it remembers, in MB (10⁶ bytes)."""
        ...

    def score(self, outputs: Mapping[str, Tensor]) -> Scores:
        """Scores of a batch of layer outputs {layer: float32 (n, C, h, w)}; the same bits in any batch."""
        ...

    def save(self, folder: Path) -> None:
        """Write the detector into ``folder`` without pickle."""
        ...

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Self:
        """Read what ``save`` wrote: the same scores to the bit. UserError if it is damaged."""
        ...
