"""How deep 16-bit files are read: every depth's white is white, and what a depth cannot hold is refused."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import tifffile
from PIL import Image

from adtrack.data.loading import decode
from adtrack.data.masks import decode_mask
from adtrack.data.reading import STORED, Reading, depth_of
from adtrack.errors import UserError


def encoded(plane: np.ndarray, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, format)
    return buffer.getvalue()


def test_sixteen_bits_are_read_as_before_to_the_last_value() -> None:
    plane = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)
    for reading in (STORED, Reading(16), Reading()):
        assert (decode(encoded(plane), reading=reading)[..., 1] == expected).all()


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_the_darkest_is_black_and_the_brightest_of_a_depth_is_white(bits: int, format: str) -> None:
    white = 2**bits - 1
    plane = np.array([[0, white // 5, white // 2, white]], np.uint16)
    assert decode(encoded(plane, format), reading=Reading(bits))[0, :, 2].tolist() == [0, 51, 127, 255]


def test_a_dark_photo_is_not_stretched() -> None:
    assert decode(encoded(np.full((2, 2), 400, np.uint16)), reading=Reading(12)).max() == 25  # 400 · 255 / 4095


def colour_tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    more = {"extrasamples": ["unassalpha"]} if pixels.shape[2] == 4 else {}
    tifffile.imwrite(buffer, pixels, photometric="rgb", **more, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    "write",
    [
        None,  # PNG
        *(
            partial(colour_tiff, compression=compression, byteorder=order)
            for compression in (None, "deflate")
            for order in "<>"
        ),
    ],
)
def test_colours_of_sixteen_bits_have_their_depth_too(
    channels: int, write: Callable[[np.ndarray], bytes] | None, deep_png: Callable[[np.ndarray], bytes]
) -> None:
    write = write or deep_png
    pixels = np.full((3, 4, channels), 65535, np.uint16)
    pixels[..., :3] = (np.arange(36) * 116).reshape(3, 4, 3)
    seen = decode(write(pixels), reading=Reading(12))
    assert seen.ravel().tolist() == [round(value * 116 * 255 / 4095) for value in range(36)]
    full = decode(write(pixels), reading=STORED)
    assert full.ravel().tolist() == [value * 116 >> 8 for value in range(36)]  # as Pillow reads them


def test_sixteen_bit_colours_of_a_mask_mark_also_if_they_are_ones(deep_png: Callable[[np.ndarray], bytes]) -> None:
    marks = np.zeros((3, 4, 3), np.uint16)
    marks[1, 2] = 1
    assert decode_mask(deep_png(marks)).sum() == 1


def test_what_a_depth_cannot_hold_is_refused_by_name() -> None:
    data = encoded(np.array([[7, 5000]], np.uint16))
    with pytest.raises(UserError, match=r"below 4096 as 12-bit data have, but a\.png has 5000\. Hint: --bit-depth 14"):
        decode(data, "a.png", Reading(12))


def test_sixteen_bits_of_which_nothing_is_known_count_only_if_they_are_used() -> None:
    with pytest.raises(UserError, match=r"a\.png has 16 whose largest value is 4095: nothing says whether it is dark"):
        decode(encoded(np.array([[7, 4095]], np.uint16)), "a.png", Reading())
    assert decode(encoded(np.array([[7, 60000]], np.uint16)), "a.png", Reading()).max() == 233


def test_depths_are_those_of_cameras() -> None:
    values = (0, 255, 256, 1023, 1024, 4095, 4096, 16383, 16384, 65535)
    assert [depth_of(value) for value in values] == [8, 8, 10, 10, 12, 12, 14, 14, 16, 16]


@pytest.mark.parametrize("bits", [7, 17, 12.0, "12", True])
def test_a_depth_that_no_file_has_is_refused(bits: object) -> None:
    with pytest.raises(UserError, match="bit depth must be a whole number from 8 to 16"):
        Reading(bits)
