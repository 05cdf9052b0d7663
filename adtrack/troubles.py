"""What becomes of the surroundings while a command is at work: a full disk, a server that has gone. In sentences."""

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .cache import cache_folder
from .errors import UserError
from .findings import first_line

KEPT = "what is finished is kept, and the same command goes on from there"
_LEFT = "adtrack doctor --fix ends runs that stay RUNNING"
_FULL, _READ_ONLY = {errno.ENOSPC, errno.EDQUOT}, {errno.EROFS}
# As SQLite, PostgreSQL, safetensors and Python's tempfile say it, whose errors have no number.
_FULL_TEXTS = ("disk is full", "No space left on device", "Disk quota exceeded", "No usable temporary directory")
_READ_ONLY_TEXTS = ("readonly database", "Read-only file system")
_UNREACHABLE = {"ConnectionError", "Timeout", "RetryError", "ChunkedEncodingError"}  # of requests, which MLflow uses
_LITTLE = 2**24  # bytes free: less than a run's pictures and bank take


class TroubleError(UserError):
    """Nothing that the user has asked for wrongly: the command ends with 1, as one that has failed."""


def trouble(error: BaseException) -> TroubleError | None:
    """The sentence for an error that comes, by whatever way, of the surroundings; None for all others."""
    return _folder_trouble(error) or disk_trouble(error) or _server_trouble(error)


def _folder_trouble(error: BaseException) -> TroubleError | None:
    """The sentence for a shell that still stands in a folder that was removed or made anew."""
    if not any(isinstance(one, FileNotFoundError) for one in _chain(error)):
        return None
    try:
        Path.cwd()
    except FileNotFoundError:
        return TroubleError("the working folder must be there, but it has been removed.", "cd to one that is.")
    return None


def disk_trouble(error: BaseException) -> TroubleError | None:
    """The sentence for an error that comes of a disk that is full or cannot be written to; None for all others."""
    for one in _chain(error):
        what = f"({_told(one)})"
        if is_full(one):
            places = " and ".join(full_places()) or "one of those at work"
            return TroubleError(
                f"disks must have room, but {places} is full {what}.",
                f"make room, or name other places by ADTRACK_CACHE, TMPDIR and --out; {KEPT}. {_LEFT}.",
            )
        if _has(one, _READ_ONLY, _READ_ONLY_TEXTS):
            return TroubleError(f"disks must be writable, but one is not {what}.", f"mount it so; {KEPT}.")
    return None


def _server_trouble(error: BaseException) -> TroubleError | None:
    for one in filter(_is_unreachable, _chain(error)):
        return TroubleError(
            f"the tracking server must stay reachable, but it no longer is ({_told(one)}).",
            f"once it is back, {KEPT}. {_LEFT}.",
        )
    return None


def is_full(error: BaseException) -> bool:
    """Whether this error itself says that a disk or a quota is full."""
    return _has(error, _FULL, _FULL_TEXTS)


def full_places() -> list[str]:
    """The folders that adtrack writes to whose disk has next to no room, each with what it is to adtrack."""
    places = {"the working folder": Path.cwd(), "the cache": cache_folder()}
    try:
        places["the folder of temporary files"] = Path(tempfile.gettempdir())
    except OSError:  # which is how tempfile says that none has room
        return ["the folder of temporary files"]
    return [f"{name} {folder}" for name, folder in places.items() if _free(folder) < _LITTLE]


def _free(folder: Path) -> int:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and, from it inwards, what it came of."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        yield following
        seen.append(following)
        following = following.__cause__ or following.__context__


def _has(error: BaseException, numbers: set[int], texts: tuple[str, ...]) -> bool:
    # A user's mistake may quote anything; what it came of is the next of the chain.
    if isinstance(error, UserError):
        return False
    return getattr(error, "errno", None) in numbers or any(text in str(error) for text in texts)


def _is_unreachable(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("requests.")}
    return bool(names & _UNREACHABLE)


def _told(error: BaseException) -> str:
    """What it says in one line, without a login that stands in an address."""
    return re.sub(r"//[^/@\s]*@", "//", first_line(error))[:300]
