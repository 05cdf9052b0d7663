"""Images in parts whose arrays stay in a core's cache: whole images would go through memory in every step."""

from collections.abc import Iterator, Sequence

import numpy as np

PIXELS = 2**15  # of a part: few enough for the cache, and enough that it does not count how long NumPy's calls take
_TILE = (128, PIXELS // 128)  # what a turned tile comes from is hardly larger, what a turned strip comes from is


def strips(height: int, width: int) -> Iterator[slice]:
    """The rows of an image in slices, from the top. All but the last have a multiple of four rows."""
    step = max(4, PIXELS // width // 4 * 4)
    return (slice(first, min(first + step, height)) for first in range(0, height, step))


def tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of an image in pairs of slices."""
    for top in range(0, height, _TILE[0]):
        for left in range(0, width, _TILE[1]):
            yield slice(top, min(top + _TILE[0], height)), slice(left, min(left + _TILE[1], width))


class Scratch:
    """Arrays that are used again for part after part: the system takes long to hand out memory that is new."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: Sequence[int], kind: type[np.generic] = np.float64) -> np.ndarray:
        """An array of this shape with any values. It is the same memory at every call with this name."""
        size = int(np.prod(shape))
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, dtype=kind)
        return self._kept[name][:size].reshape(shape)
