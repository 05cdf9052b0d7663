"""Which labelled defects a view shows at all: no model and no pixel metric sees what lies outside the crop."""

from dataclasses import dataclass, replace

import numpy as np

from adtrack.config import ImageSpec
from adtrack.data.imageset import CLEAN, ImageSet
from adtrack.data.loading import footprint
from adtrack.findings import listed
from adtrack.progress import track


@dataclass(frozen=True)
class Visibility:
    """The paths of the images that have masks, by what a view shows of them.

    Of the images in ``shown`` it shows at least one defect pixel. Of those in ``outside`` it shows none, although the
    mask as it was drawn holds some: they lie outside the crop, or the shift has moved them out of the picture. The
    masks of the images in ``empty`` hold none.
    """

    shown: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    def __add__(self, other: "Visibility") -> "Visibility":
        """The images of two sets together."""
        return Visibility(self.shown + other.shown, self.outside + other.outside, self.empty + other.empty)

    @property
    def count(self) -> int:
        """How many images have masks."""
        return len(self.shown) + len(self.outside) + len(self.empty)

    @property
    def missing(self) -> str:
        """What the view does not show: ``3 of 8 defects lie wholly outside the view (a.png, b.png, c.png)``."""
        reasons = {"defects lie wholly outside the view": self.outside, "masks are empty": self.empty}
        parts = [f"{len(paths)} of {self.count} {what} ({listed(paths)})" for what, paths in reasons.items() if paths]
        return ", ".join(parts)


def visibility(images: ImageSet, view: ImageSpec) -> Visibility:
    """What the view shows of the masks of an image set, which may be shifted; no network is asked."""
    drawn = replace(images, domain=CLEAN, severity=1.0)
    found = Visibility()
    masked = [index for index, record in enumerate(images.records) if record.mask is not None]
    for index in track(masked, f"Looking at the masks of {images.name}", unit="mask"):
        found += _one(images, drawn, index, view)
    return found


def _one(images: ImageSet, drawn: ImageSet, index: int, view: ImageSpec) -> Visibility:
    path, mask = (images.records[index].path,), np.asarray(images.mask(index))
    part = footprint(mask.shape[0], mask.shape[1], view)
    if mask[part.top : part.bottom, part.left : part.right].any():
        return Visibility(shown=path)
    return Visibility(outside=path) if np.any(drawn.mask(index)) else Visibility(empty=path)
