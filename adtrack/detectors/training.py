"""What a method is fitted to: good images, as the outputs and views that it asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from ..cache import cache_folder
from ..features.feature_set import FeatureSet
from ..features.grids import Grid


@dataclass(frozen=True)
class TrainingSet:
    """The good images that a detector is fitted to.

    ``inputs`` names what is given of each image (see ``DetectorSpec.inputs``), and nothing else is read. In ``kept``
    a method may keep what it can use when it is fitted again: greedy orders, checkpoints.
    """

    features: FeatureSet
    inputs: tuple[str, ...]
    kept: Path = field(default_factory=lambda: cache_folder("orders"))

    def __len__(self) -> int:
        return len(self.features)

    @property
    def key(self) -> str:
        """A digest of images, view, network and device: equal keys, equal outputs."""
        return self.features.key

    @property
    def grids(self) -> Mapping[str, Grid]:
        """Where the cells of each input lie in the view."""
        return self.features.grids

    @property
    def view(self) -> int:
        """Side of the square views in pixels."""
        return self.features.view

    def batch(self, start: int, stop: int) -> dict[str, Tensor]:
        """The inputs of the images from ``start`` up to ``stop``: {name: float32 (n, C, h, w)}."""
        return self.features.chunk(start, stop, self.inputs)

    def images(self) -> Iterator[dict[str, Tensor]]:
        """The inputs of one image after the other, as batches of one."""
        return (self.batch(at, at + 1) for at in range(len(self)))
