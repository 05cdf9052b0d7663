"""Images and their masks, small enough to be shown."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from adtrack.evaluation.bounded_memory import BoundedMemory
from adtrack.evaluation.opened_class import OpenedClass
from adtrack.evaluation.pictures.sheets import fit, fit_mask

SIDE = 192  # pixels: a panel of three is readable at this size and costs a few milliseconds
_ROOM = 2**27  # bytes that the shown images of a class may take: about a thousand images


@dataclass(frozen=True)
class Display:
    """An image uint8 (h, w, 3) and its mask bool (h, w), both shrunk; the mask is None where the class has none."""

    image: np.ndarray
    mask: np.ndarray | None

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.image.nbytes + (0 if self.mask is None else self.mask.nbytes)


# The banks of a study show the same images: as long as a class is open, those shown before are not read again.
_SHOWN: WeakKeyDictionary[OpenedClass, BoundedMemory[tuple[str, int], Display]] = WeakKeyDictionary()


def display(opened: OpenedClass, name: str, index: int) -> Display:
    """An image of the set of this name, and its mask."""
    if opened not in _SHOWN:
        _SHOWN[opened] = BoundedMemory(_ROOM, lambda shown: shown.bytes)
    return _SHOWN[opened].get((name, index), lambda: _shrunk(opened, name, index))


def _shrunk(opened: OpenedClass, name: str, index: int) -> Display:
    mask = opened.mask(name, index)
    image = fit(opened.images(name).image(index), SIDE)
    return Display(image, None if mask is None else fit_mask(mask, SIDE))
