"""Every file of a class opened once before anything is built on it: digests, how it is read, what its masks say."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..errors import UserError
from ..progress import track
from .checked import Checked, MaskFacts
from .classes import ImageRecord
from .decoding import SIDEWAYS, UPRIGHT, Frame, decoded, read_bytes
from .loading import check_mode
from .masks import content_digest, decode_mask, mask_facts, mask_files
from .reading import Reading, depth_of, largest


@dataclass(frozen=True)
class _File:
    """One image or mask: its bytes' SHA-256 and what it holds."""

    sha256: str
    size: tuple[int, int]
    size_otherwise: tuple[int, int]
    orientation: int
    deepest: int | None = None
    is_cut: bool = False
    mask: MaskFacts | None = None


def check_images(root: Path, records: Sequence[ImageRecord], reading: Reading | None = None) -> Checked:
    """Decode every image and mask of a class and say what they are.

    Without a ``reading`` images are what a viewer shows, and their depth is the smallest of a camera's that holds the
    largest value of all. UserError names the first image in path order that is corrupt, whose mask is or has another
    size, or whose values exceed the reading.
    """
    ordered = sorted(records, key=lambda record: record.path)
    upright = reading is None or reading.upright
    found: dict[str, _File] = {}
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        checked = pool.map(partial(_check, Path(root), upright), ordered)
        for files in track(checked, "Checking images", len(ordered)):
            found |= files
    finally:
        pool.shutdown(cancel_futures=True)
    deep = {record.path: found[record.path] for record in ordered if found[record.path].deepest is not None}
    deepest = max((file.deepest for file in deep.values()), default=None)
    reading = reading or Reading(None if deepest is None else depth_of(deepest))
    for path, file in deep.items():
        reading.check(path, file.deepest, file.is_cut)
    return Checked(
        {path: file.sha256 for path, file in found.items()},
        reading,
        deepest,
        tuple(sorted(path for path, file in found.items() if file.orientation != UPRIGHT)),
        {record.mask: found[record.mask].mask for record in ordered if record.mask is not None},
        {record.path: found[record.path].size for record in ordered},
    )


def _check(root: Path, upright: bool, record: ImageRecord) -> dict[str, _File]:
    """An image and its mask by path, after both could be decoded and have one size."""
    data = read_bytes(root / record.path, record.path)
    image = replace(
        decoded(partial(_image, upright=upright), data, record.path), sha256=hashlib.sha256(data).hexdigest()
    )
    if record.mask is None:
        return {record.path: image}
    mask = _mask_file(root, record.mask, upright)
    if mask.size != image.size:
        raise _other_size(record, image, mask, upright)
    return {record.path: image, record.mask: mask}


def _mask_file(root: Path, path: str, upright: bool) -> _File:
    """A mask or the union of a folder's masks, of which the first says how they lie."""
    parts = [
        decoded(partial(_mask, upright=upright), file, name) for name, file in mask_files(root / path, path).items()
    ]
    facts = parts[0].mask
    if (root / path).is_dir():
        union = decode_mask(root / path, path, Reading(upright=upright))
        dark, as_first = max(part.mask.dark for part in parts), all(part.mask.as_first for part in parts)
        facts = MaskFacts(float(union.mean()), dark, as_first)
    return replace(parts[0], sha256=content_digest(root / path, path), mask=facts)


def _image(frame: Frame, upright: bool) -> _File:
    check_mode(frame)
    file = _File("", frame.size(upright), frame.size(not upright), frame.orientation)
    return replace(file, deepest=largest(frame), is_cut=frame.deep is None) if frame.is_deep else file


def _mask(frame: Frame, upright: bool) -> _File:
    facts = mask_facts(frame, upright)
    return _File("", frame.size(upright), frame.size(not upright), frame.orientation, mask=facts)


def _other_size(record: ImageRecord, image: _File, mask: _File, upright: bool) -> UserError:
    """Why a mask does not fit its image: where it would if orientation tags were not applied, that is the reason."""
    (height, width), (rows, columns) = image.size, mask.size
    tagged = [(path, file.orientation) for path, file in ((record.path, image), (record.mask, mask)) if _turns(file)]
    if upright and tagged and mask.size_otherwise == image.size_otherwise:
        (path, tag), *_ = tagged
        return UserError(
            f"a mask must be drawn on its image as a viewer shows it, but {record.mask} ({columns} × {rows} pixels) "
            f"fits {record.path} ({width} × {height}) only as it is stored: {path} has the orientation tag {tag}.",
            "if it was drawn on the stored pixels, take the tag away (exiftool -Orientation= FILE), else turn it.",
        )
    return UserError(
        f"a mask must have its image's size, but {record.mask} has {columns} × {rows} pixels and {record.path} "
        f"{width} × {height}."
    )


def _turns(file: _File) -> bool:
    return file.orientation in SIDEWAYS
