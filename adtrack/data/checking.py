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
from .loading import check_mode
from .masks import content_digest, decode_mask, mask_facts, mask_files
from .reading import Reading, depth_of, largest


@dataclass(frozen=True)
class _File:
    """One image or mask: the SHA-256 of its bytes, its height and width, and those with its orientation tag read the
    other way.

    ``deepest`` is the largest value of an image with 16 bits a channel, of which ``is_cut`` says that only the upper 8
    can be read.
    """

    sha256: str
    size: tuple[int, int]
    size_otherwise: tuple[int, int]
    orientation: int
    deepest: int | None = None
    is_cut: bool = False


@dataclass(frozen=True)
class _Pair:
    """An image and, if it has one, its mask with what that says."""

    record: ImageRecord
    image: _File
    mask: tuple[_File, MaskFacts] | None

    @property
    def files(self) -> dict[str, _File]:
        """Both by their paths."""
        image = {self.record.path: self.image}
        return image if self.record.mask is None or self.mask is None else {**image, self.record.mask: self.mask[0]}


def check_images(root: Path, records: Sequence[ImageRecord], reading: Reading | None = None) -> CheckedImages:
    """Decode every image and mask of a class and say what they are.

    Without a ``reading`` images are what a viewer shows, and their depth is that of the camera with the fewest bits
    that hold the largest value of all. UserError: an image or a mask is corrupt, a mask has another size than its
    image, or values exceed the reading; the first such image in path order is named.
    """
    ordered = sorted(records, key=lambda record: record.path)
    upright = reading is None or reading.upright
    pairs: list[_Pair] = []
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        checked = pool.map(partial(_check, Path(root), upright), ordered)
        pairs.extend(track(checked, "Checking images", len(ordered)))
    finally:
        pool.shutdown(cancel_futures=True)
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
        {pair.record.mask: pair.mask[1] for pair in pairs if pair.record.mask is not None and pair.mask is not None},
        {pair.record.path: pair.image.size for pair in pairs},
    )


def _check(root: Path, upright: bool, record: ImageRecord) -> _Pair:
    """An image and its mask, after both could be decoded and have one size."""
    data = read_bytes(root / record.path, record.path)
    image = replace(
        decoded(partial(_image, upright=upright), data, record.path), sha256=hashlib.sha256(data).hexdigest()
    )
    if record.mask is None:
        return _Pair(record, image, None)
    mask, facts = _mask_file(root, record.mask, upright)
    if mask.size != image.size:
        raise _other_size((record.path, image), (record.mask, mask), upright)
    return _Pair(record, image, (mask, facts))


def _mask_file(root: Path, path: str, upright: bool) -> tuple[_File, MaskFacts]:
    """A mask, or the union of a folder's masks, the first of which says how they lie."""
    parts = [
        decoded(partial(_mask, upright=upright), file, name) for name, file in mask_files(root / path, path).items()
    ]
    first, facts = parts[0]
    if (root / path).is_dir():
        union = decode_mask(root / path, path, Reading(upright=upright))
        dark, as_first = max(part.dark for _, part in parts), all(part.as_first for _, part in parts)
        facts = MaskFacts(float(union.mean()), dark, as_first)
    return replace(first, sha256=content_digest(root / path, path)), facts


def _image(frame: Frame, upright: bool) -> _File:
    check_mode(frame)
    file = _File("", frame.size(upright), frame.size(not upright), frame.orientation)
    return replace(file, deepest=largest(frame), is_cut=frame.deep is None) if frame.is_deep else file


def _mask(frame: Frame, upright: bool) -> tuple[_File, MaskFacts]:
    file = _File("", frame.size(upright), frame.size(not upright), frame.orientation)
    return file, mask_facts(frame, upright)


def _other_size(named_image: tuple[str, _File], named_mask: tuple[str, _File], upright: bool) -> UserError:
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


def _turns(file: _File) -> bool:
    return file.orientation in SIDEWAYS
