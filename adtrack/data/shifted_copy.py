"""A class through MVTec-Shift as files in MVTec layout, with a manifest that says what was done to every image."""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from .. import __version__
from ..config import from_json
from ..errors import UserError
from ..progress import track
from .checked import MASK_RULE, CheckedImages
from .checking import check_images
from .classes import ImageClass, ImageRecord
from .loading import decode
from .masks import decode_mask
from .reading import Reading
from .remarks import all_remarks
from .shift import Shift, draw_shift
from .shifted_paths import shifted_mask_path, shifted_paths
from .transform import shift_image, shift_mask

MANIFEST = "shift.json"
_ELSEWHERE = "choose another --out."


@dataclass(frozen=True)
class ShiftedCopy:
    """A class written to ``folder``: what its source files are, and the shift of every image.

    ``kept`` is the number of images that were there from an earlier call. ``remarks`` are sentences on the source that
    its reader should know.
    """

    folder: Path
    checked: CheckedImages
    shifts: Mapping[ImageRecord, Shift]
    kept: int
    remarks: tuple[str, ...] = ()


Row = dict[str, Any]  # of the manifest


@dataclass(frozen=True)
class _Job:
    """An image, what happens to it, and its row of the manifest."""

    record: ImageRecord
    shift: Shift
    row: Row


def write_shifted(
    images: ImageClass, out: Path, seed: int, severity: float = 1.0, reading: Reading | None = None
) -> ShiftedCopy:
    """Write every image and mask, shifted, as PNG below ``out``/<class>, and ``shift.json`` with all parameters.

    The copy has MVTec's layout. The same source and the same Pillow give the same bytes. The same call goes on after an
    interruption and mends files that were lost or changed. UserError: ``out`` holds the class from elsewhere or shifted
    in another way, two images would get one name, or the class comes with a split, for which the layout has no place.
    """
    if images.val is not None:
        raise UserError(
            f"a shifted copy holds no split, but class {images.name} comes with one, which would be lost.",
            "take the split away: then Val is drawn from the class and from its copy in the same way.",
        )
    folder = out / images.name
    if folder.resolve() == (images.root / images.name).resolve():
        raise UserError(f"out must be another folder than data, but both hold {folder}.", _ELSEWHERE)
    shifts = {record: draw_shift(record.path, seed, severity) for record in images.records}
    targets = shifted_paths(images)
    checked = check_images(images.root, images.records, reading)
    jobs = [_Job(record, shift, _row(record, targets[record], shift, checked)) for record, shift in shifts.items()]
    head = {"class": images.name, "seed": seed, "severity": float(severity), "adtrack": __version__}
    head |= checked.applied.stated
    try:
        known = _begin(folder, {**head, "images": [job.row for job in jobs]})
        finished = _finish_all(jobs, partial(_finish, images.root, out, known, checked.reading))
        _write_manifest(folder, {**head, "images": [row for row, _ in finished]})
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {out} is not ({error.strerror or error}).", _ELSEWHERE
        ) from error
    said = all_remarks(images, checked, {"train": images.train, "test": images.test})
    return ShiftedCopy(folder, checked, shifts, sum(kept for _, kept in finished), said)


def _row(record: ImageRecord, target: PurePosixPath, shift: Shift, checked: CheckedImages) -> Row:
    """An image's row of the manifest; the digests of what is yet to be written are None."""
    return {
        "path": target.as_posix(),
        "sha256": None,
        "mask": record.mask and shifted_mask_path(record.kind, target).as_posix(),
        "mask_sha256": None,
        "source": record.path,
        "source_sha256": checked.contents[record.path],
        "source_mask": record.mask,
        "source_mask_sha256": record.mask and checked.contents[record.mask],
        **({"mask_rule": MASK_RULE} if record.mask and not checked.masks[record.mask].as_first else {}),
        "shift": dataclasses.asdict(shift),
    }


def _begin(folder: Path, plan: Row) -> dict[str, str | None]:
    """Path → digest of the files of an earlier call with this plan.

    All digests are None if that call was interrupted. Without such a call the mapping is empty.
    """
    file = folder / MANIFEST
    if file.exists():
        return _known(file, plan)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(
            f"out must not hold the class yet, but {folder} is there and is none of make-shift's.", _ELSEWHERE
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_manifest(folder, plan)
    return {}


def _known(file: Path, plan: Row) -> dict[str, str | None]:
    try:
        found = from_json(file.read_bytes())
        planned = found | {"images": [row | {"sha256": None, "mask_sha256": None} for row in found["images"]]}
        other = ", ".join(name for name in plan | planned if planned.get(name) != plan.get(name))
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{MANIFEST} must be one of make-shift's, but {file} is not.", _ELSEWHERE) from error
    if other:
        raise UserError(
            f"out must not hold the class shifted in another way, but {file} differs in {other}.",
            "choose another --out, or remove that folder.",
        )
    rows = found["images"]
    return {row["path"]: row["sha256"] for row in rows} | {row["mask"]: row["mask_sha256"] for row in rows}


def _finish_all(jobs: Sequence[_Job], finish: Callable[[_Job], tuple[Row, bool]]) -> list[tuple[Row, bool]]:
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        return list(track(pool.map(finish, jobs), "Shifting images", len(jobs)))
    finally:
        pool.shutdown(cancel_futures=True)


def _finish(root: Path, out: Path, known: Mapping[str, str | None], reading: Reading, job: _Job) -> tuple[Row, bool]:
    """The image's row with the digests of its files, and whether they were there already."""
    record, row = job.record, job.row

    def image() -> np.ndarray:
        return shift_image(decode(root / record.path, record.path, reading), job.shift)

    def mask(path: str) -> np.ndarray:
        return np.uint8(255) * shift_mask(decode_mask(root / path, path, reading), job.shift)

    made = {"sha256": _file(out, row["path"], known, image)}
    if record.mask is not None:
        made["mask_sha256"] = _file(out, row["mask"], known, partial(mask, record.mask))
    return row | {name: digest for name, (digest, _) in made.items()}, all(kept for _, kept in made.values())


def _file(out: Path, path: str, known: Mapping[str, str | None], make: Callable[[], np.ndarray]) -> tuple[str, bool]:
    """SHA-256 of the file at ``path``, made if it isn't there as known, and whether it was.

    Files get their names when they are complete: one of an interrupted call, whose digest is not known, is whole.
    """
    file = out / path
    if path in known and file.is_file():
        there = hashlib.sha256(file.read_bytes()).hexdigest()
        if known[path] in (None, there):
            return there, True
    stream = io.BytesIO()
    Image.fromarray(make()).save(stream, format="PNG", compress_level=3)
    file.parent.mkdir(parents=True, exist_ok=True)
    _replace(file, stream.getvalue())
    return hashlib.sha256(stream.getvalue()).hexdigest(), False


def _replace(file: Path, data: bytes) -> None:
    unfinished = file.with_name(f".{file.name}.unfinished")  # hidden: nobody takes it for an image
    unfinished.write_bytes(data)
    unfinished.replace(file)


def _write_manifest(folder: Path, manifest: Row) -> None:
    _replace(folder / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())
