"""Checks of adtrack's cache: can it be written to, is it within its limit, are its entries whole?"""

import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from adtrack.cache import cache_folder
from adtrack.errors import UserError
from adtrack.features.store import LIMIT_VARIABLE, cache_limit
from adtrack.findings import BROKEN, NOTE, Check, Finding, counted
from adtrack.progress import track
from adtrack.verbs.doctor.entries import ROOMS, Room, is_whole

GROUP = "Cache"


def look_at_caches() -> list[Check]:
    """One check of the folder, and one of each room."""
    return [_folder(), *map(_look_at, ROOMS)]


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _folder() -> Check:
    folder = cache_folder()
    size = sum(size_of(cache_folder(room.name)) for room in ROOMS)
    findings = (*_not_writable(folder), *_limit())
    return Check(GROUP, "folder", f"{folder}, {size / 1e9:.2f} GB", findings)


def _not_writable(folder: Path) -> tuple[Finding, ...]:
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):  # has no name, so that nothing in the folder changes
            return ()
    except OSError as error:
        finding = Finding(
            BROKEN,
            f"{folder} cannot be written to ({error.strerror})",
            "No verb that works on images or logs runs can start: its features and locks have no place.",
            "Set ADTRACK_CACHE to a folder that you may write to.",
        )
        return (finding,)


def _limit() -> tuple[Finding, ...]:
    try:
        limit = cache_limit()
    except UserError as error:
        return (Finding(BROKEN, str(error).removesuffix("."), "No features can be kept.", f"Unset {LIMIT_VARIABLE}."),)
    size = size_of(cache_folder("features"))
    if size <= limit:
        return ()
    finding = Finding(
        NOTE,
        f"features take {size / 1e9:.2f} GB, and {LIMIT_VARIABLE} allows {limit / 1e9:g} GB",
        "The next verb removes those that were used longest ago. A study that needs more computes some repeatedly.",
        f"Set {LIMIT_VARIABLE} higher if the disk has room.",
    )
    return (finding,)


def _look_at(room: Room) -> Check:
    """A check of one room: how many entries it has, which are damaged, and which were never finished."""
    folder = cache_folder(room.name)
    unfinished = room.unfinished(folder)  # listed first, as another process may finish some meanwhile
    entries = room.entries(folder)
    damaged = [entry for entry in track(entries, f"Looking at {room.name}", unit="entry") if not is_whole(room, entry)]
    detail = f"{counted(len(entries), 'entry', 'entries')}, {size_of(folder) / 1e6:.1f} MB" if entries else "empty"
    return Check(GROUP, room.name, detail, (*_damaged(room, damaged), *_unfinished(room, unfinished)))


def _damaged(room: Room, entries: Sequence[Path]) -> tuple[Finding, ...]:
    if not entries:
        return ()
    finding = Finding(
        BROKEN,
        f"{counted(len(entries), 'entry', 'entries')} of {room.name} damaged",
        "A disk error, or a copy that was cut short. What needs it fails, or makes it again.",
        "adtrack doctor --fix removes what is damaged; what is needed will be made again.",
        tuple(map(str, entries)),
        partial(_remove, entries, f"damaged {room.name}"),
    )
    return (finding,)


def _unfinished(room: Room, files: Sequence[Path]) -> tuple[Finding, ...]:
    if not files:
        return ()
    finding = Finding(
        NOTE,
        f"{counted(len(files), 'unfinished entry', 'unfinished entries')} of {room.name} left behind",
        f"A process was killed while it wrote. They take {sum(map(size_of, files)) / 1e6:.1f} MB and serve nobody.",
        "adtrack doctor --fix removes them.",
        tuple(map(str, files)),
        partial(_remove, files, f"unfinished {room.name}"),
    )
    return (finding,)


def _remove(paths: Sequence[Path], what: str) -> str:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return f"removed {what}: {', '.join(path.name for path in paths)}"
