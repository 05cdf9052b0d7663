"""The views of an image set, read like a layer's outputs: they are layer zero of every feature set."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..config import ImageSpec, digest, plain
from ..data.imageset import ImageSet
from ..data.loading import normalised, squeezed
from .feature_set import read_slice
from .passes import Product

_FORMAT = 1  # rises when the same image and view give other pixels


@dataclass(frozen=True)
class Views:
    """What the network gets of ``count`` images: float32 (n, 3, S, S), normalised when a slice is read.

    ``pixels`` gives their ``view_pixels``. It is asked when the first slice is read.
    """

    count: int
    spec: ImageSpec
    pixels: Callable[[], np.ndarray]

    def __len__(self) -> int:
        return self.count

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height and width, as of an array."""
        return self.count, 3, self.spec.size, self.spec.size

    def __getitem__(self, part: slice) -> np.ndarray:
        """The views of a slice of the images: float32 (any, 3, S, S)."""
        start, stop, step = part.indices(len(self))
        chosen = read_slice(self._pixels, start, max(start, stop))[::step]
        views = np.empty((len(chosen), *self.shape[1:]), dtype=np.float32)
        for place, pixels in enumerate(chosen):
            views[place] = normalised(pixels, self.spec)
        return views

    @cached_property
    def _pixels(self) -> np.ndarray:
        return self.pixels()


def view_pixels(images: ImageSet, spec: ImageSpec) -> Product:
    """The squeezed and cropped images, uint8 (n, S, S, 3): a quarter of the bytes of their views."""
    about = {"view_pixels": _FORMAT, "images": images.digest, "resize": spec.resize, "size": spec.size}
    about |= {name: value for name, value in plain(spec).items() if name == "interpolation"}
    return Product(digest(about), images, lambda _, image: squeezed(image, spec))
