"""The entries of the feature cache: each is written under a temporary name first, and the oldest give way.

A crash leaves at most a temporary folder, which is cleared later. An entry that the disk has damaged is found by its
checksum.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..progress import say
from .entry import FILE, EntryWriter, is_as_written, open_entry

_ABANDONED_AFTER = 24 * 3600.0  # seconds: no pass over an image set takes a day


class EntryFolder:
    """Entries below ``folder``, by their keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read_through: set[tuple[str, int, int, int]] = set()  # name, inode, bytes and time of whole entries

    def read(self, key: str) -> np.ndarray | None:
        """The entry, or None if there is no whole one. Once open it stays readable, even if another process removes
        it."""
        folder = self.folder / key
        try:
            os.utime(folder)  # the least recently used entries give way first
            if not self._is_whole(folder):
                return None
            return open_entry(folder)
        except FileNotFoundError:
            return None

    def _is_whole(self, folder: Path) -> bool:
        """Whether an entry may be used. An entry that this process has checked is not checked again while its file is
        the same."""
        state = (folder / FILE).stat()
        known = (folder.name, state.st_ino, state.st_size, state.st_mtime_ns)
        if known in self._read_through:
            return True
        whole = is_as_written(folder, folder.name)
        if whole:
            self._read_through.add(known)
        elif whole is False:
            say(f"The feature cache held {folder.name[:12]}… damaged; it is made again.")
        return bool(whole)

    @contextmanager
    def writer(self, key: str, images: int) -> Iterator[EntryWriter]:
        """Writes an entry. What ``finish`` has not given its name is removed at the end."""
        folder = self.folder / f"tmp-{uuid.uuid4().hex}"
        try:
            with contextlib.closing(EntryWriter(folder, key, images)) as writer:
                yield writer
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, writer: EntryWriter) -> np.ndarray:
        """Give a complete entry its name, which is the writer's key."""
        writer.finish()
        array = open_entry(writer.folder)
        target = self.folder / writer.key
        shutil.rmtree(target, ignore_errors=True)
        try:
            writer.folder.rename(target)
        except OSError:
            if not target.exists():  # else another process has made the same entry meanwhile
                raise
        return array

    def shrink(self, limit: float, keep: set[str]) -> bool:
        """Remove what crashes left behind and, beyond ``limit`` bytes, the least recently used entries.

        Returns whether any entry has been removed.
        """
        entries, removed = [], False
        for folder in (path for path in self.folder.iterdir() if path.is_dir()):
            try:
                used, size = folder.stat().st_mtime, sum(file.stat().st_size for file in folder.iterdir())
            except FileNotFoundError:  # another process was faster
                continue
            if not folder.name.startswith("tmp-"):
                entries.append((used, size, folder))
            elif time.time() - used > _ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)
        excess = sum(size for _, size, _ in entries) - limit
        for _, size, folder in sorted(entries):
            if excess > 0 and folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)
                excess -= size
                removed = True
        return removed
