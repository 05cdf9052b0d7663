"""The contract of a method: how it is fitted, scores and keeps itself on disk, and the facts that others ask it for.

A method is one class that derives from ``Detector``, in one file, and one line in ``DETECTORS``. Files of methods are
read whenever the command line lists its options, so they import torch where they work and not at their top.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

from ..config import DetectorSpec

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from ..features.grids import Grid
    from .training import TrainingSet

Spec = TypeVar("Spec", bound=DetectorSpec)
SMOOTHING = 4.0  # view pixels (PatchCore, section 3.3)


@dataclass(frozen=True)
class Scores:
    """What a detector says of n images; larger is more anomalous, nothing is squashed or rescaled.

    ``image`` is float64 (n,), one score per image. ``patches`` is float32 (n, h, w), one score per image patch, whose
    centres lie where the detector's ``grid`` says; None if the method scores whole images only.
    """

    image: np.ndarray
    patches: np.ndarray | None


@dataclass(frozen=True)
class Fitted(Generic[Spec]):
    """A fitted detector, and the seconds that earlier fits had spent on parts of it that were read from the cache."""

    detector: Detector[Spec]
    saved_seconds: float = 0.0


class Detector(ABC, Generic[Spec]):
    """A fitted detector.

    The class says what others need to know of its method:

    ``spec_type``     the frozen specification whose settings are the method's parameters;
    ``name``          how people write the method: PatchCore;
    ``rows_called``   what it calls the rows that it remembers: patches, Gaussians, parameters;
    ``requires``      packages that it needs beyond those of every model, for scoring without adtrack;
    ``smoothing``     σ of the Gaussian that smooths its anomaly maps, in pixels of the view;
    ``has_maps``      whether it scores patches and so has anomaly maps, or scores whole images only;
    ``repeatable``    whether fitting it again to the same images gives the same bits.
    """

    spec_type: ClassVar[type[DetectorSpec]]
    name: ClassVar[str]
    rows_called: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    smoothing: ClassVar[float] = SMOOTHING
    has_maps: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    spec: Spec

    @classmethod
    def prepare(cls) -> None:
        """Load the libraries that only this method needs, so that no time that is measured later contains that."""

    @classmethod
    @abstractmethod
    def fit(cls, train: TrainingSet, spec: Spec) -> Fitted[Spec]:
        """Learn from good images. UserError: these images or layers do not suffice for ``spec``."""

    @abstractmethod
    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """Scores of a batch that holds what ``spec.inputs`` names: layers {name: float32 (n, C, h, w)} and, under
        ``VIEW``, views float32 (n, 3, S, S). An image gets the same bits in any batch."""

    @property
    def grid(self) -> Grid | None:
        """Where the patches of ``Scores`` lie in the view; None if the method scores whole images only."""
        return None

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many rows it remembers of good parts, in what ``rows_called`` names."""

    @property
    @abstractmethod
    def megabytes(self) -> float:
        """Size of what it remembers, in MB (10⁶ bytes)."""

    @abstractmethod
    def state(self) -> Mapping[str, Tensor]:
        """All tensors that it has learned: two detectors whose states are equal are the same."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write ``detector.json`` and safetensors files into ``folder``, which is made if need be."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, device: torch.device) -> Self:
        """Read what ``save`` wrote: the same scores to the bit. UserError if it is damaged."""

    def nearest_images(self, batch: Mapping[str, Tensor]) -> np.ndarray | None:
        """For every patch of a batch, the place of the Train image that it resembles most: int64 (n, h, w).

        None if the method does not remember single images, or if the detector was loaded: only a fitted one knows them.
        """
        return None
