"""Damaged TIFFs, which libtiff decodes: pixels or a sentence of adtrack's own, and not a word past Python on stderr."""

import contextlib
import io
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from adtrack.data.loading import decode
from adtrack.data.masks import decode_mask
from adtrack.errors import UserError

DEEP = "16 bits"
KINDS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4", DEEP)
Capture = pytest.CaptureFixture[str]


def damaged(kind: str, count: int) -> list[bytes]:
    """A TIFF of this compression, or with 16 bits a channel, with a few bytes changed in as many ways."""
    draws = np.random.default_rng(2)
    picture = draws.integers(0, 256, (24, 17, 3), dtype=np.uint8)
    pictures = {"group4": picture[..., 0] > 99, DEEP: picture[..., 0] * np.uint16(257)}
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    compression = "tiff_lzw" if kind == DEEP else kind
    Image.fromarray(pictures.get(kind, picture)).save(buffer, "TIFF", compression=compression, exif=exif)
    files = []
    for _ in range(count):
        data = bytearray(buffer.getvalue())
        for place in draws.integers(0, len(data), 4):
            data[place] = draws.integers(0, 256)
        files.append(bytes(data))
    return files


needs_handler = pytest.mark.skipif(sys.platform == "win32", reason="Pillow's libtiff is part of its decoder there")


@needs_handler
@pytest.mark.parametrize("read", [decode, decode_mask])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_tiffs_end_in_pixels_or_a_user_error_and_nothing_is_printed(
    capfd: Capture, kind: str, read: Callable
) -> None:
    for data in damaged(kind, 60):
        with contextlib.suppress(UserError):
            assert read(data).dtype in (np.uint8, bool)
    assert capfd.readouterr() == ("", "")


@needs_handler
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pillow_is_hushed_for_adtrack_alone(capfd: Capture) -> None:
    files = damaged("group4", 20)

    def work() -> None:
        for data in files:
            with contextlib.suppress(UserError):
                decode(data)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == ""
    for data in files:
        with contextlib.suppress(OSError, ValueError, SyntaxError):
            Image.open(io.BytesIO(data)).load()
    assert "Fax" in capfd.readouterr().err
