"""Images that Pillow cannot write."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest


def _deep_png(pixels: np.ndarray) -> bytes:
    """Pixels uint16 (H, W, C) as PNG: of 1 to 4 channels, which Pillow cannot write."""
    height, width, channels = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture(scope="session")
def deep_png() -> Callable[[np.ndarray], bytes]:
    """Encodes pixels uint16 (H, W, C) with 16 bits a channel."""
    return _deep_png
