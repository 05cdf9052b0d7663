"""One entry of the feature cache: a folder with ``features.npy`` and the checksum of that file.

The file holds a layer's outputs, float32 (n, C, h, w), or another product of n images, uint8 (n, …).

The checksum is a CRC-32. It detects every flipped bit and nearly all other damage, as fast as a disk reads. A digest
that withstands intent would take longer than some trials.
"""

import json
import os
import zlib
from pathlib import Path

import numpy as np

from ..config import from_json

FILE = "features.npy"
CHECKSUM = "checksum.json"
_PIECE = 1 << 22  # bytes read at once


class EntryWriter:
    """Makes ``folder`` and writes an entry into it, piece by piece."""

    def __init__(self, folder: Path, key: str, images: int) -> None:
        folder.mkdir()
        self.folder, self.key, self._images = folder, key, images
        self._file = (folder / FILE).open("wb")
        self._sum = 0

    def add(self, output: np.ndarray) -> None:
        """Write what is made of the next images, float32 or uint8 (any, …)."""
        # Not through a memory map: on a full disk, writing there kills the process without a message.
        if not self._file.tell():
            shape, kind = (self._images, *output.shape[1:]), output.dtype.newbyteorder("<").str
            np.lib.format.write_array_header_1_0(self._file, {"descr": kind, "fortran_order": False, "shape": shape})
            self._file.flush()
            self._sum = _checksum(self.folder / FILE)
        content = output.astype(output.dtype.newbyteorder("<"), copy=False).tobytes()
        self._file.write(content)
        self._sum = zlib.crc32(content, self._sum)

    def finish(self) -> None:
        """Write the checksum, after all images are added."""
        self._file.flush()
        os.fsync(self._file.fileno())  # else a power cut could leave an entry with a name but without content
        (self.folder / CHECKSUM).write_text(json.dumps({"key": self.key, "crc32": self._sum}), encoding="utf-8")

    def close(self) -> None:
        """Close the file, whether it is complete or not."""
        self._file.close()


def is_as_written(folder: Path, key: str) -> bool | None:
    """Whether the entry called ``key`` holds what was written; None for one of an earlier version, without a checksum.

    FileNotFoundError: there is no entry.
    """
    actual = _checksum(folder / FILE)
    try:
        told = from_json((folder / CHECKSUM).read_text(encoding="utf-8"))
        return bool(told == {"key": key, "crc32": actual})
    except FileNotFoundError:
        return None
    except ValueError:
        return False


def open_entry(folder: Path) -> np.ndarray:
    """What an entry holds, which is read from the disk when it is used."""
    features: np.ndarray = np.load(folder / FILE, mmap_mode="r", allow_pickle=False)
    return features


def _checksum(file: Path) -> int:
    found = 0
    with file.open("rb", buffering=0) as stream:
        while piece := stream.read(_PIECE):
            found = zlib.crc32(piece, found)
    return found
