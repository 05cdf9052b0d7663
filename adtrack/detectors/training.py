"""The good images to which a method is fitted, as layer outputs, views or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from torch import Tensor

from ..cache import cache_folder
from ..features.feature_set import FeatureSet
from ..features.grids import Grid

if TYPE_CHECKING:
    from ..training.loop import Epoch

Held = TypeVar("Held")
HeldThere = TypeVar("HeldThere", covariant=True)
Answer = TypeVar("Answer")


class HeldObjects(Protocol[HeldThere]):
    """Objects in other processes. One whose process is lost is made anew, and then knows nothing of what it was asked
    before."""

    def each(self, work: Callable[[HeldThere], Answer]) -> Iterable[Answer]:
        """What ``work``, which can be pickled, gives for each object, in their order. They work side by side."""
        ...


class Crew(Protocol):
    """Processes that share out the images of a training set, each a part of them, in the images' order."""

    def hold(self, make: Callable[[TrainingSet, int], Held]) -> HeldObjects[Held]:
        """What ``make``, which can be pickled, makes of each part and the index of its first image."""
        ...


@dataclass(frozen=True)
class TrainingSet:
    """The good images that a detector is fitted to.

    ``inputs`` names the inputs that the method asked for (see ``DetectorSpec.inputs``); no others are read. A method
    may use rooms of the folder ``kept`` to cache what it can use when it is fitted again: greedy orders, checkpoints.
    ``features`` may hold further draws of the images besides the images themselves, of which there are ``originals``;
    None means that there are no draws. The draws follow the images, each draw in the order of the images. ``network``
    is the name of the network whose layers the inputs are. A method that learns by gradient tells ``told`` every epoch.
    Where there is a ``crew``, it holds the features, and here they are made whenever they are read.
    """

    features: FeatureSet
    inputs: tuple[str, ...]
    kept: Path = field(default_factory=cache_folder)
    originals: int | None = None
    network: str = ""
    told: Callable[[Epoch], None] = field(default=lambda epoch: None, compare=False)
    crew: Crew | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def undrawn(self) -> int:
        """The number of images without their further draws."""
        return len(self) if self.originals is None else self.originals

    @property
    def key(self) -> str:
        """A digest of images, view, network and device. Sets with equal keys have equal outputs."""
        return self.features.key

    @property
    def grids(self) -> Mapping[str, Grid]:
        """The grids that say where the cells of each input lie in the view."""
        return self.features.grids

    @property
    def view(self) -> int:
        """The side of the square views in pixels."""
        return self.features.view

    def batch(self, start: int, stop: int) -> dict[str, Tensor]:
        """The inputs of the images from ``start`` up to ``stop``: {name: float32 (n, C, h, w)}."""
        return self.features.chunk(start, stop, self.inputs)

    def images(self) -> Iterator[dict[str, Tensor]]:
        """The inputs of each image in turn, as batches of one image."""
        return (self.batch(at, at + 1) for at in range(len(self)))
