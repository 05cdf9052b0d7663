"""Which labelled defects a view shows at all: no model and no pixel metric sees what lies outside the crop."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adtrack.config import ImageSpec, digest
from adtrack.data.checked import MASK_RULE
from adtrack.data.domains import CLEAN
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import footprint
from adtrack.data.memory_file import memory_file, read_memory, write_memory
from adtrack.features.threads import side_by_side
from adtrack.findings import listed
from adtrack.progress import track

_FORMAT = 1  # rises when the same masks and view get another answer
_PLACES = _SHOWN, _OUTSIDE, _EMPTY = "shown", "outside", "empty"  # the fields of Visibility, in their order


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
    """What the view shows of the masks of an image set, which may be shifted; no network is asked.

    The answer is remembered, so that the next verb on the class reads no mask for it.
    """
    masked = [index for index, record in enumerate(images.records) if record.mask is not None]
    file = memory_file(_key(images, masked, view))
    places = _remembered(read_memory(file), len(masked))
    if places is None:
        looked = side_by_side(lambda index: _place(images, index, view), masked)
        places = list(track(looked, f"Looking at the masks of {images.name}", len(masked), unit="mask"))
        with contextlib.suppress(OSError):  # the next verb will look once more
            write_memory(file, {"places": places})
    found = [(place, images.records[index].path) for place, index in zip(places, masked, strict=True)]
    return Visibility(*(tuple(path for at, path in found if at == place) for place in _PLACES))


def _key(images: ImageSet, masked: Sequence[int], view: ImageSpec) -> str:
    """All that the answer depends on."""
    contents = [images.contents.get(str(images.records[index].mask)) for index in masked]
    about = {"visibility": _FORMAT, "images": images.digest, "masks": contents, "mask_rule": MASK_RULE}
    return digest({**about, "resize": view.resize, "size": view.size})


def _remembered(entries: dict[str, Any] | None, count: int) -> list[str] | None:
    """The places of all masks, if it is they that a memory holds."""
    places = (entries or {}).get("places")
    if not isinstance(places, list) or len(places) != count or not all(place in _PLACES for place in places):
        return None
    return places


def _place(images: ImageSet, index: int, view: ImageSpec) -> str:
    """Where the defect of an image is."""
    mask = np.asarray(images.mask(index))
    part = footprint(mask.shape[0], mask.shape[1], view)
    if mask[part.top : part.bottom, part.left : part.right].any():
        return _SHOWN
    drawn = replace(images, domain=CLEAN, severity=1.0)
    return _OUTSIDE if np.any(drawn.mask(index)) else _EMPTY
