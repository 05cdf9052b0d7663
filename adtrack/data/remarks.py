"""Sentences on how the files of a class were read, which a user should know because every number depends on it."""

from collections.abc import Callable, Mapping, Sequence

from ..findings import counted, listed
from .checked import CheckedImages, MaskFacts
from .classes import ImageClass, ImageRecord
from .reading import FULL
from .repeats import repeated

_MOSTLY = 0.5  # share of a mask that few defects exceed
_AREA = 0.05  # share of the marked area: if more grey than that does not count, the user is told


def all_remarks(
    images: ImageClass, checked: CheckedImages, parts: Mapping[str, Sequence[ImageRecord]]
) -> tuple[str, ...]:
    """Sentences on which files of a class count, on how they were read, and on files that its ``parts`` repeat."""
    return *images.remarks, *remarks(checked, images.name), *repeated(parts, checked.contents)


def remarks(checked: CheckedImages, class_name: str) -> list[str]:
    """Sentences on depth, orientation and masks, where there is something to say."""
    return [*_depth(checked, class_name), *_orientation(checked, class_name), *_masks(checked, class_name)]


def _depth(checked: CheckedImages, class_name: str) -> list[str]:
    if checked.deepest is None:
        return []
    bits = checked.reading.bits or FULL
    return [
        f"Images of class {class_name} with 16 bits a channel are read as {bits}-bit data: their largest value is "
        f"{checked.deepest}. Where a bank or a shifted copy is made, --bit-depth says it otherwise."
    ]


def _orientation(checked: CheckedImages, class_name: str) -> list[str]:
    images = [path for path in checked.turned if path not in checked.masks]
    if not images:
        return []
    if checked.reading.upright:
        how = "as a viewer shows them"
        masks = (
            " Masks must be drawn so, which those of square images don't tell: if yours were drawn on the stored "
            "pixels, take the tags away (exiftool -Orientation= FILES)."
        )
    else:
        how = "as they are stored, as the model's were"
        masks = " Masks that were drawn as a viewer shows them do not fit: build the bank anew."
    masks *= bool(checked.masks)
    have = f"{_named(images, 'image')} of class {class_name} {'has' if len(images) == 1 else 'have'}"
    return [f"{have} an orientation tag: such images are read {how}.{masks}"]


def _masks(checked: CheckedImages, class_name: str) -> list[str]:
    """A sentence for everything that is odd about masks, which names those masks."""
    odd: dict[str, Callable[[MaskFacts], bool]] = {
        "no pixel is marked": lambda mask: not mask.marked,
        "the whole image is marked": lambda mask: mask.marked == 1,
        "more than half of the image is marked: is the background white?": lambda mask: _MOSTLY < mask.marked < 1,
        "areas of even grey do not count, as they are not above half of the maximum": (
            lambda mask: mask.dark > _AREA * mask.marked
        ),
    }
    found = {what: [path for path, mask in checked.masks.items() if is_so(mask)] for what, is_so in odd.items()}
    return [
        f"In {_named(paths, 'mask')} of class {class_name} {what}{'' if what.endswith('?') else '.'}"
        for what, paths in found.items()
        if paths
    ]


def _named(paths: Sequence[str], what: str) -> str:
    """``12 masks (a.png, b.png, c.png and 9 more)``."""
    return f"{counted(len(paths), what)} ({listed(paths)})"
