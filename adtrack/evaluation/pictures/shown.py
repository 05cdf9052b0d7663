"""Images and their masks, small enough to be shown: made when an image is decoded, and kept beside the features.

A picture and its mask are four channels of a square: red, green, blue, and what a pixel is.
"""

from dataclasses import dataclass

import numpy as np

from adtrack.config import digest
from adtrack.data.checked import MASK_RULE
from adtrack.evaluation.opened_class import ListedClass, OpenedClass
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.features.passes import Product

SIDE = 192  # pixels: a panel of three is readable at this size and costs a few milliseconds
_FORMAT = 1  # rises when the same image is shown otherwise
_GOOD, _MARKED = 1, 2  # pixels of the picture; around it is 0


@dataclass(frozen=True)
class Display:
    """An image uint8 (h, w, 3) and its mask bool (h, w), both shrunk; the mask is None where the class has none."""

    image: np.ndarray
    mask: np.ndarray | None


def shown_pictures(opened: OpenedClass | ListedClass, name: str) -> Product:
    """The pictures of the image set of this name, uint8 (n, SIDE, SIDE, 4)."""
    images = opened.images(name)
    masks = [record.mask and images.contents[record.mask] for record in images.records]
    about = {"shown": _FORMAT, "side": SIDE, "images": images.digest}
    if opened.splits.has_masks:
        about |= {"masks": masks, "mask_rule": MASK_RULE}

    def make(index: int, image: np.ndarray) -> np.ndarray:
        picture = fit(image, SIDE)
        height, width = picture.shape[:2]
        square = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
        square[:height, :width, :3], square[:height, :width, 3] = picture, _GOOD
        if images.records[index].mask is not None and (mask := opened.mask(name, index)) is not None:
            square[:height, :width, 3][fit_mask(mask, SIDE)] = _MARKED
        return square

    return Product(digest(about), images, make)


def as_display(square: np.ndarray, has_masks: bool) -> Display:
    """One of the ``shown_pictures``."""
    height, width = (int(np.count_nonzero(side)) for side in (square[:, 0, 3], square[0, :, 3]))
    picture = square[:height, :width]
    return Display(picture[:, :, :3].copy(), picture[:, :, 3] == _MARKED if has_masks else None)
