"""Opens every file of a class once, before anything is built on it: digests, how it is read, what its masks say."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..errors import UserError
from ..progress import track
from .checked import CheckedImages, MaskFacts
from .classes import ImageRecord
from .decoding import SIDEWAYS, UPRIGHT, Frame, decoded, read_bytes
from .file_facts import FileFacts
from .loading import check_mode
from .masks import content_digest, decode_mask, mask_facts, mask_files
from .reading import Reading, depth_of, largest
from .remembered import RememberedChecks


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


def check_images(root: Path, records: Sequence[ImageRecord], reading: Reading | None = None) -> CheckedImages:
    """Decode every image and mask of a class and say what they are. Files that were checked before, and that have not
    changed since, are not opened again.

    Without a ``reading`` images are what a viewer shows, and their depth is that of the camera with the fewest bits
    that hold the largest value of all. UserError: an image or a mask is corrupt, a mask has another size than its
    image, or values exceed the reading; the first such image in path order is named.
    """
    ordered = sorted(records, key=lambda record: record.path)
    upright = reading is None or reading.upright
    pairs: list[_Pair] = []
    remembered = RememberedChecks(upright)
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        checked = pool.map(partial(_check, Path(root), upright, remembered), ordered)
        pairs.extend(track(checked, "Checking images", len(ordered)))
    finally:
        pool.shutdown(cancel_futures=True)
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


def _check(root: Path, upright: bool, remembered: RememberedChecks, record: ImageRecord) -> _Pair:
    """An image and its mask, after both could be decoded and have one size."""
    file = root / record.path
    image = remembered.facts(file, False, partial(_image_file, file, record.path, upright))
    if record.mask is None:
        return _Pair(record, image, None)
    file = root / record.mask
    mask = remembered.facts(file, True, partial(_mask_file, file, record.mask, upright))
    if mask.size != image.size:
        raise _other_size((record.path, image), (record.mask, mask), upright)
    return _Pair(record, image, mask)


def _image_file(file: Path, path: str, upright: bool) -> FileFacts:
    data = read_bytes(file, path)
    return replace(decoded(partial(_image, upright=upright), data, path), sha256=hashlib.sha256(data).hexdigest())


def _mask_file(file: Path, path: str, upright: bool) -> FileFacts:
    """A mask, or the union of a folder's masks, the first of which says how they lie."""
    parts = [decoded(partial(_mask, upright=upright), part, name) for name, part in mask_files(file, path).items()]
    first, facts = parts[0]
    if file.is_dir():
        union = decode_mask(file, path, Reading(upright=upright))
        dark, as_first = max(part.dark for _, part in parts), all(part.as_first for _, part in parts)
        facts = MaskFacts(float(union.mean()), dark, as_first)
    return replace(first, sha256=content_digest(file, path), mask=facts)


def _image(frame: Frame, upright: bool) -> FileFacts:
    check_mode(frame)
    file = FileFacts("", frame.size(upright), frame.size(not upright), frame.orientation)
    return replace(file, deepest=largest(frame), is_cut=frame.deep is None) if frame.is_deep else file


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
