"""What every detector does: turn layer outputs into distances, and keep itself on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from ..config import BankSpec
from ..features.grids import Grid


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

    spec: BankSpec
    layers: tuple[str, ...]

    @property
    def grid(self) -> Grid:
        """Where the patches of ``Scores`` lie in the view."""
        ...

    @property
    def rows(self) -> int:
        """How many patches of good parts it remembers."""
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
