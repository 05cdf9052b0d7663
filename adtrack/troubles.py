"""Sentences for errors that come from a command's surroundings, such as a full disk or a server that is gone."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .cache import cache_folder
from .errors import UserError
from .findings import what_it_told

KEPT = "what is finished is kept, and the same command goes on from there"
_LEFT = "adtrack doctor --fix ends runs that stay RUNNING"
_FULL, _READ_ONLY = {errno.ENOSPC, errno.EDQUOT}, {errno.EROFS}
# The texts of SQLite, PostgreSQL, safetensors and Python's tempfile, whose errors have no number.
_FULL_TEXTS = ("disk is full", "No space left on device", "Disk quota exceeded", "No usable temporary directory")
_READ_ONLY_TEXTS = ("readonly database", "Read-only file system")
_UNREACHABLE = {
    "ConnectionError",
    "Timeout",
    "RetryError",
    "ChunkedEncodingError",
}  # classes of the package requests, which MLflow uses
_LITTLE = 2**24  # free bytes on a disk that counts as full: a run's pictures and model take more


class TroubleError(UserError):
    """An error that is not the user's mistake. The command ends with exit code 1, not 2."""


def trouble(error: BaseException) -> TroubleError | None:
    """The sentence for an error that comes from the surroundings, directly or not. None for all other errors."""
    return _folder_trouble(error) or disk_trouble(error) or _server_trouble(error)


def _folder_trouble(error: BaseException) -> TroubleError | None:
    """The sentence for a working folder that was removed, or removed and made again, under the user's shell."""
    if not any(isinstance(one, FileNotFoundError) for one in _chain(error)):
        return None
    try:
        Path.cwd()
    except FileNotFoundError:
        return TroubleError("the working folder must exist, but it has been removed.", "cd to a folder that exists.")
    return None


def disk_trouble(error: BaseException) -> TroubleError | None:
    """The sentence for an error that comes from a full or read-only disk. None for all other errors."""
    for one in _chain(error):
        what = f"({what_it_told(one)})"
        if is_full(one):
            places = " and ".join(full_places()) or "one of those in use"
            return TroubleError(
                f"disks must have room, but {places} is full {what}.",
                f"make room, or choose other folders by ADTRACK_CACHE, TMPDIR and --out; {KEPT}. {_LEFT}.",
            )
        if _has(one, _READ_ONLY, _READ_ONLY_TEXTS):
            return TroubleError(f"disks must be writable, but one is not {what}.", f"mount it writable; {KEPT}.")
    return None


def _server_trouble(error: BaseException) -> TroubleError | None:
    for one in filter(_is_unreachable, _chain(error)):
        return TroubleError(
            f"the tracking server must stay reachable, but it no longer is ({what_it_told(one)}).",
            f"once it is back, {KEPT}. {_LEFT}.",
        )
    return None


def is_full(error: BaseException) -> bool:
    """Whether this error itself says that a disk or a quota is full."""
    return _has(error, _FULL, _FULL_TEXTS)


def full_places() -> list[str]:
    """The folders that adtrack writes to and whose disks have almost no room, each after a few words on its use."""
    places = {"the working folder": Path.cwd(), "the cache": cache_folder()}
    try:
        places["the folder of temporary files"] = Path(tempfile.gettempdir())
    except OSError:  # tempfile raises this if no folder for temporary files has room
        return ["the folder of temporary files"]
    return [f"{name} {folder}" for name, folder in places.items() if _free(folder) < _LITTLE]


def _free(folder: Path) -> int:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then the error that caused it, then that one's cause, and so on."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        yield following
        seen.append(following)
        following = following.__cause__ or following.__context__


def _has(error: BaseException, numbers: set[int], texts: tuple[str, ...]) -> bool:
    # The sentence of a UserError may quote any text, so only the errors that caused it are looked at.
    if isinstance(error, UserError):
        return False
    return getattr(error, "errno", None) in numbers or any(text in str(error) for text in texts)


def _is_unreachable(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("requests.")}
    return bool(names & _UNREACHABLE)
