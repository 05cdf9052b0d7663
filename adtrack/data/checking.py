"""Opens every file of a class once, before anything is built on it: digests, how it is read, what its masks say."""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ..errors import UserError
from ..progress import track
from .checked import CheckedImages, MaskFacts
from .classes import ImageRecord
from .decoding import SIDEWAYS, UPRIGHT, Frame, decoded, read_bytes
from .file_facts import FileFacts
from .in_order import in_order
from .loading import check_mode, rgb
from .masks import content_digest, decode_mask, mask_facts, mask_files
from .reading import Reading, depth_of, largest
from .remembered import RememberedChecks

Seen = TypeVar("Seen")
Show = Callable[[np.ndarray], None]


@dataclass(frozen=True)
class _Pair:
    """An image and, if it has one, its mask with what that says."""

    record: ImageRecord
    image: FileFacts
    mask: FileFacts | None

    @property
    def files(self) -> dict[str, FileFacts]:
        """Both by their paths."""
        image = {self.record.path: self.image}
        return image if self.record.mask is None or self.mask is None else {**image, self.record.mask: self.mask}


class Watcher(Protocol[Seen]):
    """Is shown the images that a check decodes."""

    def look(self, record: ImageRecord, pixels: np.ndarray, /) -> Seen:
        """See an image, uint8 (H, W, 3), after it and its mask are found to be sound. This runs in several threads."""
        ...

    def take(self, record: ImageRecord, seen: Seen | None, /) -> None:
        """Get what was seen of one image after the other, in path order; None if it was not shown."""
        ...


def check_images(
    root: Path,
    records: Sequence[ImageRecord],
    reading: Reading | None = None,
    watcher: Watcher[Any] | None = None,
) -> CheckedImages:
    """Decode every image and mask of a class and say what they are. Files that were checked before, and that have not
    changed since, are not opened again. A ``watcher`` is shown those that are; but not those with 16 bits a channel,
    whose pixels depend on what all files are.

    Without a ``reading`` images are what a viewer shows, and their depth is that of the camera with the fewest bits
    that hold the largest value of all. UserError: an image or a mask is corrupt, a mask has another size than its
    image, or values exceed the reading; the first such image in path order is named.
    """
    ordered = sorted(records, key=lambda record: record.path)
    upright = reading is None or reading.upright
    pairs: list[_Pair] = []
    remembered = RememberedChecks(upright)
    check = partial(_check, Path(root), upright, remembered, watcher)
    try:
        with closing(in_order(check, ordered, min(8, os.cpu_count() or 1))) as checked:
            for pair, seen in track(checked, "Checking images", len(ordered)):
                pairs.append(pair)
                if watcher is not None:
                    watcher.take(pair.record, seen)
    finally:
        remembered.keep()
    depths = [(pair.record.path, pair.image.deepest) for pair in pairs]
    deep = {path: deepest for path, deepest in depths if deepest is not None}
    deepest = max(deep.values(), default=None)
    reading = reading or Reading(None if deepest is None else depth_of(deepest))
    for pair in pairs:
        if pair.record.path in deep:
            reading.check(pair.record.path, deep[pair.record.path], pair.image.is_cut)
    files = {path: file for pair in pairs for path, file in pair.files.items()}
    return CheckedImages(
        {path: file.sha256 for path, file in files.items()},
        reading,
        deepest,
        tuple(sorted(path for path, file in files.items() if file.orientation != UPRIGHT)),
        {path: file.mask for path, file in files.items() if file.mask is not None},
        {pair.record.path: pair.image.size for pair in pairs},
    )


def _check(
    root: Path, upright: bool, remembered: RememberedChecks, watcher: Watcher[Any] | None, record: ImageRecord
) -> tuple[_Pair, object]:
    """An image and its mask, after both could be decoded and have one size, and what a watcher has seen of it."""
    shown: list[np.ndarray] = []
    pair = _pair(root, upright, remembered, None if watcher is None else shown.append, record)
    return pair, watcher.look(record, shown.pop()) if watcher is not None and shown else None


def _pair(root: Path, upright: bool, remembered: RememberedChecks, show: Show | None, record: ImageRecord) -> _Pair:
    file = root / record.path
    image = remembered.facts(file, False, partial(_image_file, file, record.path, upright, show))
    if record.mask is None:
        return _Pair(record, image, None)
    file = root / record.mask
    mask = remembered.facts(file, True, partial(_mask_file, file, record.mask, upright))
    if mask.size != image.size:
        raise _other_size((record.path, image), (record.mask, mask), upright)
    return _Pair(record, image, mask)


def _image_file(file: Path, path: str, upright: bool, show: Show | None) -> FileFacts:
    data = read_bytes(file, path)
    facts = decoded(partial(_image, upright=upright, show=show), data, path)
    return replace(facts, sha256=hashlib.sha256(data).hexdigest())


def _mask_file(file: Path, path: str, upright: bool) -> FileFacts:
    """A mask, or the union of a folder's masks, the first of which says how they lie."""
    parts = [decoded(partial(_mask, upright=upright), part, name) for name, part in mask_files(file, path).items()]
    first, facts = parts[0]
    if file.is_dir():
        union = decode_mask(file, path, Reading(upright=upright))
        dark, as_first = max(part.dark for _, part in parts), all(part.as_first for _, part in parts)
        facts = MaskFacts(float(union.mean()), dark, as_first)
    return replace(first, sha256=content_digest(file, path), mask=facts)


def _image(frame: Frame, upright: bool, show: Show | None) -> FileFacts:
    check_mode(frame)
    file = FileFacts("", frame.size(upright), frame.size(not upright), frame.orientation)
    if frame.is_deep:
        return replace(file, deepest=largest(frame), is_cut=frame.deep is None)
    if show is not None:
        show(rgb(frame, Reading(upright=upright)))
    return file


def _mask(frame: Frame, upright: bool) -> tuple[FileFacts, MaskFacts]:
    file = FileFacts("", frame.size(upright), frame.size(not upright), frame.orientation)
    return file, mask_facts(frame, upright)


def _other_size(named_image: tuple[str, FileFacts], named_mask: tuple[str, FileFacts], upright: bool) -> UserError:
    """Why a mask does not fit its image. If it would without orientation tags, they are the reason."""
    (image_path, image), (mask_path, mask) = named_image, named_mask
    (height, width), (rows, columns) = image.size, mask.size
    tagged = [(path, file.orientation) for path, file in (named_image, named_mask) if _turns(file)]
    if upright and tagged and mask.size_otherwise == image.size_otherwise:
        (path, tag), *_ = tagged
        return UserError(
            f"a mask must be drawn on its image as a viewer shows it, but {mask_path} ({columns} × {rows} pixels) "
            f"fits {image_path} ({width} × {height}) only as it is stored: {path} has the orientation tag {tag}.",
            "if it was drawn on the stored pixels, take the tag away (exiftool -Orientation= FILE), else turn it.",
        )
    return UserError(
        f"a mask must have its image's size, but {mask_path} has {columns} × {rows} pixels and {image_path} "
        f"{width} × {height}."
    )


def _turns(file: FileFacts) -> bool:
    return file.orientation in SIDEWAYS
