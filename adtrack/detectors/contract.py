"""The contract of a method: how it is fitted, how it scores and is saved, and what it tells about itself.

A method is one class that derives from ``Detector``, in one file, and one line in ``DETECTORS``. Files of methods are
imported whenever the command line lists its options, so they import torch inside their functions and not at the top.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

from ..config import DetectorSpec
from ..errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from ..features.feature_set import FeatureSet
    from ..features.grids import Grid
    from ..progress import Progress
    from ..training.loop import Epoch
    from .graphs import ScoreGraph
    from .training import TrainingSet

Spec = TypeVar("Spec", bound=DetectorSpec)
SMOOTHING = 4.0  # σ in pixels of the view (PatchCore, section 3.3)


@dataclass(frozen=True)
class Scores:
    """The scores of n images. A larger score is more anomalous. Scores are not rescaled.

    ``image`` is float64 (n,), one score for each image. ``patches`` is float32 (n, h, w), one score for each patch; the
    detector's ``grid`` says where the centres of the patches lie. It is None if the method scores whole images only.
    """

    image: np.ndarray
    patches: np.ndarray | None


@dataclass(frozen=True)
class FitResult(Generic[Spec]):
    """A fitted detector, the seconds that were saved by reading parts from the cache instead of computing them, and the
    epochs of its training if it learns by gradient."""

    detector: Detector[Spec]
    saved_seconds: float = 0.0
    epochs: tuple[Epoch, ...] = ()


class Detector(ABC, Generic[Spec]):
    """A fitted detector.

    The attributes of the class tell others about its method:

    ``spec_type``     the class of its specification, whose settings are the method's parameters;
    ``name``          the method's name as people write it: PatchCore;
    ``rows_called``   the name of the rows that it remembers: patches, Gaussians, parameters;
    ``requires``      the packages that a model of this method needs in addition to those of all models;
    ``smoothing``     σ of the Gaussian that smooths its anomaly maps, in pixels of the view;
    ``has_maps``      whether it scores patches, so that it has anomaly maps, or whole images only;
    ``least_images``  the least number of images that it can be fitted to;
    ``repeatable``    whether fitting it again to the same images gives the same bits;
    ``ladder``        the setting whose smaller values a fit passes by on its way to a larger one: "coreset_fraction".
                      It is "" if there is none;
    ``shares_out``    whether the crew of a training set, if it has one, does the work of fitting.
    """

    spec_type: ClassVar[type[DetectorSpec]]
    name: ClassVar[str]
    rows_called: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    smoothing: ClassVar[float] = SMOOTHING
    has_maps: ClassVar[bool] = True
    least_images: ClassVar[int] = 1
    repeatable: ClassVar[bool] = True
    ladder: ClassVar[str] = ""
    shares_out: ClassVar[bool] = False

    spec: Spec

    @classmethod
    def prepare(cls) -> None:
        """Load the libraries that only this method needs, so that times that are measured later do not include it."""

    @classmethod
    @abstractmethod
    def fit(cls, train: TrainingSet, spec: Spec) -> FitResult[Spec]:
        """Learn from good images. UserError if the images or layers do not suffice for ``spec``."""

    @classmethod
    def climb(cls, train: TrainingSet, specs: Sequence[Spec]) -> Iterator[FitResult[Spec]]:
        """Fit to one specification after the other. They differ in the setting ``ladder`` alone, whose values rise.

        Each detector is that of ``fit``, to the bit. A method with a ladder goes on from the detector before, and only
        when it is asked for the next one.
        """
        return (cls.fit(train, spec) for spec in specs)

    @classmethod
    def effort(cls, train: FeatureSet, spec: Spec) -> float:
        """How much there is to compute for a detector, in any unit: twice the number takes about twice the time.

        The time that a study still needs is estimated by it. All detectors of a method are alike unless it says more.
        """
        return 1.0

    @abstractmethod
    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """The scores of a batch, which holds the inputs that ``spec.inputs`` names.

        Outputs of layers are float32 (n, C, h, w), and views, under the name ``VIEW``, float32 (n, 3, S, S). The scores
        of an image have the same bits in every batch.
        """

    def score_images(self, features: FeatureSet, progress: Progress) -> np.ndarray | None:
        """The images' scores alone, float64 (n,), with the same bits as ``score`` gives.

        None, which is the default, if the method knows no shorter way than to score every patch. ``progress`` counts
        the images that are done.
        """
        return None

    @property
    def patch_digest(self) -> str | None:
        """A digest of all that patches' scores depend on besides the images. Scores of detectors that have equal ones
        are computed once.

        None, which is the default, if it is not worth while: where scores are computed as fast as a digest.
        """
        return None

    @property
    def grid(self) -> Grid | None:
        """The grid that says where patches lie in the view. None if the method scores whole images only."""
        return None

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many rows the detector remembers of good parts; ``rows_called`` names what a row is."""

    @property
    @abstractmethod
    def megabytes(self) -> float:
        """The size of all that the detector remembers, in MB (10⁶ bytes)."""

    @abstractmethod
    def state(self) -> Mapping[str, Tensor]:
        """All tensors that the detector has learned. Two detectors with equal states are equal."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write ``detector.json`` and safetensors files into ``folder``, which is made if it is missing."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, device: torch.device) -> Self:
        """Read a detector that ``save`` wrote, with the same scores to the bit. UserError if it is damaged."""

    def nearest_images(self, batch: Mapping[str, Tensor]) -> np.ndarray | None:
        """The index of the Train image that each patch of a batch resembles most: int64 (n, h, w).

        None if the method does not remember single images, or if the detector was loaded from files, which do not say
        from which images it has learned.
        """
        return None

    def graph(self) -> ScoreGraph:
        """The detector as a module of standard operators, which other runtimes can compute.

        UserError, which is the default, if the method or these settings of it have no such form.
        """
        raise UserError(
            f"a method must have a form of standard operators to become a graph, but {self.name} has none yet.",
            "PatchCore has one, for example.",
        )
