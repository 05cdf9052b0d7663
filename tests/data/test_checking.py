"""Every file of a class is opened before anything is built: digests, bad files, sizes, depth, orientation."""

import hashlib
import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.data.checking import check_images
from adtrack.data.classes import ImageRecord
from adtrack.data.loading import decode
from adtrack.data.reading import STORED, Reading
from adtrack.errors import UserError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def encoded(image: np.ndarray, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    """Six normal and two anomalous images of different sizes, in no order."""
    found = []
    for i in (3, 1, 5, 0, 4, 2):
        (tmp_path / f"{i}.png").write_bytes(encoded(RGB[: i + 1]))
        found.append(ImageRecord(f"{i}.png", 0, "good"))
    for i in (7, 6):
        (tmp_path / f"{i}.jpg").write_bytes(encoded(RGB[:i], "JPEG"))
        (tmp_path / f"{i}_mask.png").write_bytes(encoded(GREY[:i] > 99))
        found.append(ImageRecord(f"{i}.jpg", 1, "crack", f"{i}_mask.png"))
    return found


def test_check_gives_the_digest_of_every_file(tmp_path: Path, records: list[ImageRecord]) -> None:
    expected = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir() if path.suffix}
    assert check_images(tmp_path, records).contents == expected
    assert len(expected) == 10


def test_check_names_the_first_bad_image_in_path_order(tmp_path: Path, records: list[ImageRecord]) -> None:
    for name in ("5.png", "2.png", "4.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:60])
    with pytest.raises(UserError, match=r"2\.png is corrupt or truncated"):
        check_images(tmp_path, records)


def test_check_names_a_mask_of_another_size(tmp_path: Path, records: list[ImageRecord]) -> None:
    (tmp_path / "6_mask.png").write_bytes(encoded(GREY[:5] > 99))
    with pytest.raises(UserError, match=r"6_mask\.png has 17 × 5 pixels and 6\.jpg 17 × 6"):
        check_images(tmp_path, records)


@pytest.mark.parametrize("name", ["6_mask.png", "3.png"])
def test_check_names_missing_files_and_broken_links(tmp_path: Path, records: list[ImageRecord], name: str) -> None:
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=rf"{name} is not \(No such file"):
        check_images(tmp_path, records)


def tagged(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def write(root: Path, deep: dict[str, int], orientation: int = 1) -> list[ImageRecord]:
    """Images with 16 bits a channel and these largest values."""
    for name, most in deep.items():
        plane = np.zeros((4, 6), np.uint16)
        plane[0, 0] = most
        (root / name).write_bytes(encoded(plane, exif=tagged(orientation)))
    return [ImageRecord(name, 0, "good") for name in deep]


@pytest.mark.parametrize(("values", "bits"), [((90, 200), 8), ((90, 1000), 10), ((400, 3900), 12), ((400, 40000), 16)])
def test_the_largest_value_of_all_images_says_how_deep_they_are(tmp_path: Path, values: tuple, bits: int) -> None:
    found = check_images(tmp_path, write(tmp_path, dict(zip(("a.png", "b.png"), values, strict=True))))
    assert (found.reading, found.deepest) == (Reading(bits), max(values))
    assert found.applied == Reading(bits, False)
    assert found.applied.stated == ({} if bits == 16 else {"reading": {"bits": bits, "upright": False}})


def test_images_with_eight_bits_say_nothing_of_a_depth(tmp_path: Path, records: list[ImageRecord]) -> None:
    found = check_images(tmp_path, records)
    assert (found.reading, found.deepest, found.applied) == (Reading(), None, STORED)


def test_a_pixel_of_sixteen_bits_is_no_channel_of_sixteen(tmp_path: Path) -> None:
    masks, pixels = struct.pack("<4I", 0xF800, 0x07E0, 0x001F, 0), struct.pack("<2H", 0x2000, 0x0000)
    head = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, len(pixels), 0, 0, 0, 0) + masks
    size = 14 + len(head)
    (tmp_path / "a.bmp").write_bytes(b"BM" + struct.pack("<IHHI", size + len(pixels), 0, 0, size) + head + pixels)
    assert check_images(tmp_path, [ImageRecord("a.bmp", 0, "good")]).deepest is None
    assert decode(tmp_path / "a.bmp").tolist() == [[[32, 0, 0], [0, 0, 0]]]


def test_a_depth_that_is_given_counts_and_what_exceeds_it_is_named(tmp_path: Path) -> None:
    records = write(tmp_path, {"a.png": 90, "b.png": 1500, "c.png": 3000})
    assert check_images(tmp_path, records, Reading(14)).reading == Reading(14)
    with pytest.raises(UserError, match=r"below 1024 as 10-bit data have, but b\.png has 1500\. Hint: --bit-depth 12"):
        check_images(tmp_path, records, Reading(10))


def test_colours_of_which_eight_bits_can_be_read_must_use_them(
    tmp_path: Path, deep_png: Callable[[np.ndarray], bytes]
) -> None:
    pixels = np.full((5, 4, 2), 4095, np.uint16)
    (tmp_path / "a.png").write_bytes(deep_png(pixels))
    with pytest.raises(UserError, match=r"must be grey, RGB or RGBA, but of a\.png only 8 bits can be read"):
        check_images(tmp_path, [ImageRecord("a.png", 0, "good")])
    (tmp_path / "a.png").write_bytes(deep_png(pixels * 16))
    assert check_images(tmp_path, [ImageRecord("a.png", 0, "good")]).reading == Reading(16)


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("whose", ["image", "mask"])
def test_a_mask_that_fits_the_stored_pixels_only_is_refused_by_the_tag(
    tmp_path: Path, orientation: int, whose: str
) -> None:
    image_tag, mask_tag = (orientation, 1) if whose == "image" else (1, orientation)
    (tmp_path / "a.jpg").write_bytes(encoded(RGB, "JPEG", exif=tagged(image_tag)))
    (tmp_path / "a_mask.png").write_bytes(encoded(GREY > 99, exif=tagged(mask_tag)))
    records = [ImageRecord("a.jpg", 1, "crack", "a_mask.png")]
    if orientation >= 5:
        file = "a.jpg" if whose == "image" else "a_mask.png"
        with pytest.raises(UserError, match=rf"only as it is stored: {file} has the orientation tag {orientation}\."):
            check_images(tmp_path, records)
    else:
        found = check_images(tmp_path, records)
        assert found.turned == (("a.jpg",) if whose == "image" else ("a_mask.png",))
        assert found.applied == Reading(16, True)
    assert check_images(tmp_path, records, STORED).applied == STORED


def test_a_mask_as_a_viewer_shows_the_image_fits(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(RGB, "JPEG", exif=tagged(6)))
    (tmp_path / "a_mask.png").write_bytes(encoded(np.rot90(GREY > 99, -1)))
    found = check_images(tmp_path, [ImageRecord("a.jpg", 1, "crack", "a_mask.png")])
    assert found.masks["a_mask.png"].marked == pytest.approx((GREY > 99).mean())
