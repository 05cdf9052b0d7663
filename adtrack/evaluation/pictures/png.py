"""Pictures as PNG files, written in half the time that Pillow takes and while other threads work.

Pillow tries five filters on every row, which takes longer than compressing, and lets no other thread run meanwhile.
Here each row is filtered by the one above it, which suits photos and flat areas alike, and runs are compressed.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB_OF_8_BITS = (8, 2, 0, 0, 0)
_UP = 2  # the filter that takes the row above from a row
_ROWS = 256  # that are compressed at once
_WINDOW = 13  # bits: runs need hardly any window, but zlib moves on slowly with a smaller one


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture uint8 (H, W, 3), compressed lightly: the disk is cheaper than the wait."""
    height, width, _ = picture.shape
    with path.open("wb") as stream:
        stream.write(_SIGNATURE)
        stream.write(_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *_RGB_OF_8_BITS)))
        for data in _compressed(picture.reshape(height, -1)):
            stream.write(_chunk(b"IDAT", data))
        stream.write(_chunk(b"IEND", b""))


def _compressed(rows: np.ndarray) -> Iterator[bytes]:
    """Rows uint8 (H, n), filtered and compressed, piece by piece."""
    packer = zlib.compressobj(1, wbits=_WINDOW, strategy=zlib.Z_RLE)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        filtered = np.empty((len(part), part.shape[1] + 1), dtype=np.uint8)
        filtered[:, 0], filtered[0, 1:] = _UP, part[0]
        if start:
            filtered[0, 1:] -= rows[start - 1]
        np.subtract(part[1:], part[:-1], out=filtered[1:, 1:])
        yield packer.compress(filtered.data)
    yield packer.flush()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
