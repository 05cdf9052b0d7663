"""Layer outputs of image sets, read piece by piece: one set, or several as if they were one."""

import itertools
import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..config import digest
from .grids import Grid


class Outputs(Protocol):
    """One layer's outputs of an image set, float32 (n, C, h, w): an array, or what makes a slice when it is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, channels, rows and columns."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """The outputs of a slice of the images."""
        ...


@dataclass(frozen=True)
class FeatureSet:
    """Outputs of the layers of one image set: {layer: float32 (n, C, h, w)}.

    The features lie on disk. The views, under the name ``config.VIEW``, are made when they are read. ``view`` is the
    side of the square views in pixels.
    """

    key: str
    layers: Mapping[str, Outputs]
    grids: Mapping[str, Grid]
    device: torch.device
    view: int

    def __len__(self) -> int:
        return len(next(iter(self.layers.values())))

    def chunk(self, start: int, stop: int, layers: Sequence[str]) -> dict[str, Tensor]:
        """Outputs of the images from ``start`` up to ``stop`` on the feature set's device."""
        arrays = {layer: read_slice(self.layers[layer], start, stop) for layer in layers}
        return {layer: torch.from_numpy(array).to(self.device) for layer, array in arrays.items()}


def pooled(parts: Sequence[FeatureSet]) -> FeatureSet:
    """Feature sets of the same layers, one after the other, as one."""
    first = parts[0]
    layers = {layer: _Joined([part.layers[layer] for part in parts]) for layer in first.layers}
    return FeatureSet(digest([part.key for part in parts]), layers, first.grids, first.device, first.view)


@dataclass(frozen=True)
class WhenRead:
    """Outputs of ``count`` images that ``make`` gives for one image, by layer, whenever they are read."""

    count: int
    layer: str
    make: Callable[[int], Mapping[str, np.ndarray]]

    def __len__(self) -> int:
        return self.count

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, channels, rows and columns."""
        return self.count, *self.make(0)[self.layer].shape[1:]

    def __getitem__(self, part: slice, /) -> np.ndarray:
        return np.concatenate([self.make(index)[self.layer] for index in range(*part.indices(self.count))])


def part_of(whole: FeatureSet, start: int, stop: int) -> FeatureSet:
    """The images of a set from ``start`` up to ``stop``, as a set of their own."""
    layers = {layer: _Part(outputs, start, stop) for layer, outputs in whole.layers.items()}
    return replace(whole, key=digest([whole.key, start, stop]), layers=layers)


@dataclass(frozen=True)
class _Part:
    """Outputs of some images of a set."""

    whole: Outputs
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, channels, rows and columns."""
        return len(self), *self.whole.shape[1:]

    def __getitem__(self, part: slice, /) -> np.ndarray:
        start, stop, _ = part.indices(len(self))
        return read_slice(self.whole, self.start + start, self.start + stop)


class _Joined:
    """Outputs of several image sets, one after the other."""

    def __init__(self, parts: Sequence[Outputs]) -> None:
        self._parts = parts
        self._ends = list(itertools.accumulate(len(part) for part in parts))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, channels, rows and columns."""
        return len(self), *self._parts[0].shape[1:]

    def __getitem__(self, part: slice, /) -> np.ndarray:
        start, stop, _ = part.indices(len(self))
        pieces = []
        for outputs, end in zip(self._parts, self._ends, strict=True):
            first = end - len(outputs)
            low, high = max(start, first) - first, min(stop, end) - first
            if low < high:
                pieces.append(read_slice(outputs, low, high))
        return np.concatenate(pieces)


def read_slice(outputs: Outputs, start: int, stop: int) -> np.ndarray:
    """A copy of ``outputs[start:stop]``, whose pages are unmapped again if they are mapped from a file.

    A large set that is read piece by piece would otherwise end up in the process's memory as a whole. The system keeps
    the pages as long as it has room for them, so that reading them again is as quick.
    """
    copy = np.array(outputs[start:stop])
    if isinstance(outputs, np.memmap) and isinstance(outputs.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        first, last = (outputs.offset + at * outputs.strides[0] for at in (start, min(stop, len(outputs))))
        first -= first % mmap.PAGESIZE
        outputs.base.madvise(mmap.MADV_DONTNEED, first, last - first)
    return copy
