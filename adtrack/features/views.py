"""The views of an image set, read like a layer's outputs: they are layer zero of every feature set."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..config import ImageSpec
from ..data.imageset import ImageSet
from ..data.loading import normalised, squeezed
from .threads import side_by_side

KEPT_BYTES = 2**27


@dataclass(frozen=True)
class Views:
    """What the network gets of ``images``: float32 (n, 3, S, S), decoded and shifted when a slice is read.

    The pixels of the images that are read first are kept, up to ``KEPT_BYTES``, so that a training that reads a set of
    usual size many times decodes every file once. A set that is larger is decoded again beyond that.
    """

    images: ImageSet
    spec: ImageSpec
    _kept: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height and width, as of an array."""
        return len(self.images), 3, self.spec.size, self.spec.size

    def __getitem__(self, part: slice) -> np.ndarray:
        """The views of a slice of the images: float32 (any, 3, S, S)."""
        chosen = range(*part.indices(len(self)))
        missing = [index for index in chosen if index not in self._kept]
        decoded = dict(zip(missing, side_by_side(self._decode, missing), strict=True)) if missing else {}
        views = np.empty((len(chosen), *self.shape[1:]), dtype=np.float32)
        for place, index in enumerate(chosen):
            views[place] = normalised(decoded[index] if index in decoded else self._kept[index], self.spec)
        self._keep(decoded)
        return views

    def _decode(self, index: int) -> np.ndarray:
        """The squeezed and cropped image, uint8 (S, S, 3): a quarter of the bytes of its view."""
        return squeezed(self.images.image(index), self.spec)

    def _keep(self, decoded: Mapping[int, np.ndarray]) -> None:
        room = KEPT_BYTES // (3 * self.spec.size**2) - len(self._kept)
        self._kept.update(itertools.islice(decoded.items(), max(0, room)))
