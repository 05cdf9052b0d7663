"""What files have shown when they were checked, remembered for the next verb that opens them.

A file counts as the same as long as its path, size, inode and times (of its content and of its inode, in nanoseconds)
are the same. A program may set the time of the content back to what it was, but not the inode's. The files of a folder
share one memory on disk. It names the SHA-256 of its content: what is damaged is forgotten, and the files are checked
again.
"""

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import PIL

from ..errors import UserError
from .file_facts import FileFacts
from .masks import mask_files
from .memory_file import memory_file, read_memory, write_memory

_FORMAT = 1  # rises when a check shows something else of the same file
# A file that has just been written may be written again at the same tick of the file system's clock. FAT's clock ticks
# every 2 s, all others tick more often.
_SETTLED_NS = 2_100_000_000

_State = list[list[Any]]  # name, size, inode and times of every file that a check reads


class RememberedChecks:
    """Checks of image files and masks whose orientation tags count (``upright``) or do not."""

    def __init__(self, upright: bool) -> None:
        self._upright = upright
        self._folders: dict[Path, _Folder] = {}
        self._lock = Lock()  # several threads check files

    def facts(self, file: Path, is_mask: bool, check: Callable[[], FileFacts]) -> FileFacts:
        """What ``check`` shows of an image, of a mask or of a folder of masks; it is asked only if nothing is known."""
        state, now = _state(file), time.time_ns()
        if state is None:
            return check()
        folder, entry = self._folder(file.parent), f"{'mask' if is_mask else 'image'} {file.name}"
        known = folder.known(entry, state)
        if known is not None and (known.mask is not None) == is_mask:
            return known
        found = check()
        if _is_settled(state, now) and _state(file) == state:
            folder.remember(entry, state, found)
        return found

    def keep(self) -> None:
        """Write what has been learned. It serves later verbs only: where that fails, they check once more."""
        for folder in self._folders.values():
            with contextlib.suppress(OSError):
                folder.keep()

    def _folder(self, place: Path) -> "_Folder":
        with self._lock:
            if place not in self._folders:
                self._folders[place] = _Folder(place.resolve(), self._upright)
            return self._folders[place]


class _Folder:
    """What is known of the files of one folder."""

    def __init__(self, place: Path, upright: bool) -> None:
        key = [_FORMAT, PIL.__version__, upright, os.fsencode(place).hex()]
        self._place = place
        self._file = memory_file(hashlib.sha256(json.dumps(key).encode()).hexdigest())
        self._entries = read_memory(self._file) or {}
        self._learned: dict[str, Any] = {}

    def known(self, entry: str, state: _State) -> FileFacts | None:
        """What is known of an entry whose files are in this state."""
        held = self._entries.get(entry)
        if not isinstance(held, dict) or held.get("state") != state:
            return None
        return FileFacts.from_plain(held.get("facts"))

    def remember(self, entry: str, state: _State, facts: FileFacts) -> None:
        """Keep what a check has shown of an entry."""
        self._learned[entry] = {"state": state, "facts": facts.plain()}

    def keep(self) -> None:
        """Write what was learned beside what others have learned meanwhile, without files that are gone."""
        if not self._learned:
            return
        together = {**(read_memory(self._file) or {}), **self._learned}
        entries = {name: held for name, held in together.items() if (self._place / name.partition(" ")[2]).exists()}
        write_memory(self._file, entries)


def _state(file: Path) -> _State | None:
    """The state of a file, or of all masks of a folder; None if one of them is no regular file that can be read."""
    try:
        return [_state_of(name, part) for name, part in mask_files(file, "").items()]
    except (OSError, UserError):
        return None


def _state_of(name: str, file: Path) -> list[Any]:
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a regular file")
    return [name, found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _is_settled(state: _State, now: int) -> bool:
    """Whether all files were written long enough before ``now`` that later writes show in their times."""
    return all(now - max(written, changed) > _SETTLED_NS for *_, written, changed in state)
