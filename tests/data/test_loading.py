"""Decoding of every format that cameras and tools write, hostile bytes, and the way from source to view and back."""

import contextlib
import io
import struct
import threading
import warnings
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as reference

from adtrack.config import ImageSpec, Normalisation
from adtrack.data.loading import decode, footprint, view, view_coordinates
from adtrack.data.masks import decode_mask
from adtrack.data.reading import STORED
from adtrack.errors import UserError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def encoded(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def grey3(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[:, :, None], 3, axis=2)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_the_pixels(format: str) -> None:
    assert (decode(encoded(RGB, format)) == RGB).all()
    assert (decode(encoded(GREY, format)) == grey3(GREY)).all()


def test_source_may_be_a_path_bytes_or_a_stream(tmp_path: Path) -> None:
    data = encoded(RGB)
    (tmp_path / "a.png").write_bytes(data)
    for source in (tmp_path / "a.png", data, io.BytesIO(data)):
        pixels = decode(source)
        assert pixels.dtype == np.uint8 and pixels.flags.writeable and (pixels == RGB).all()


def test_jpeg_is_near_the_original_in_every_colour_space() -> None:
    smooth = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    for data in (encoded(smooth, "JPEG", quality=95), encoded(Image.fromarray(smooth).convert("CMYK"), "JPEG")):
        assert np.abs(decode(data).astype(int) - smooth).max() <= 4
    assert np.abs(decode(encoded(smooth[..., 0], "JPEG")).astype(int) - 200).max() <= 2


def test_cmyk_and_ycbcr_tiff() -> None:
    smooth = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    for mode in ("CMYK", "YCbCr"):
        pixels = decode(encoded(Image.fromarray(smooth).convert(mode), "TIFF")).astype(int)
        assert np.abs(pixels - smooth).max() <= 2


def test_palette_and_bilevel() -> None:
    palette = Image.fromarray(RGB).quantize(16)
    assert (decode(encoded(palette)) == np.asarray(palette.convert("RGB"))).all()
    bilevel = GREY > 127
    for format in ("PNG", "BMP", "TIFF"):
        assert (decode(encoded(bilevel, format)) == grey3(bilevel * np.uint8(255))).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(format: str) -> None:
    plane = np.array([[0, 128, 129, 257, 32896, 65407, 65535]], dtype=np.uint16)
    assert decode(encoded(plane, format))[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255, 255]


def test_big_endian_sixteen_bit_tiff() -> None:
    # Header, one row of two pixels (257, 65535), and the six tags that a grey TIFF needs.
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 16), (262, 3, 1), (273, 4, 8), (279, 4, 4)]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + struct.pack(">HH" if kind == 3 else ">I", *([v, 0] if kind == 3 else [v]))
        for tag, kind, v in tags
    )
    data = b"MM\0*" + struct.pack(">I", 12) + struct.pack(">HH", 257, 65535)
    data += struct.pack(">H", len(tags)) + entries + bytes(4)
    assert decode(data)[0, :, 0].tolist() == [1, 255]


def test_opaque_alpha_changes_nothing_and_transparency_goes_on_black() -> None:
    alpha = np.full(GREY.shape, 255, np.uint8)
    assert (decode(encoded(np.dstack([RGB, alpha]))) == RGB).all()
    assert (decode(encoded(np.dstack([GREY, alpha]))) == grey3(GREY)).all()
    alpha[:, :5], alpha[:, 5:9] = 0, 51
    expected = RGB.copy()
    expected[:, :5] = 0
    expected[:, 5:9] = np.rint(RGB[:, 5:9] * 0.2)
    assert (decode(encoded(np.dstack([RGB, alpha]))) == expected).all()


def test_transparent_palette_entry_goes_on_black() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 255, 255, 10, 20, 30])
    assert decode(encoded(image, transparency=0)).tolist() == [[[0, 0, 0], [10, 20, 30]]]
    assert decode(encoded(image, transparency=bytes([0, 255]))).tolist() == [[[0, 0, 0], [10, 20, 30]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("format", "compression"), [("PNG", None), ("TIFF", None), ("TIFF", "tiff_lzw")])
def test_an_image_is_what_a_viewer_shows(orientation: int, format: str, compression: str | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(RGB, format, exif=exif, compression=compression)
    (tagged := Image.fromarray(RGB)).getexif()[0x0112] = orientation
    assert (decode(data) == np.asarray(ImageOps.exif_transpose(tagged))).all()
    assert (decode(data, reading=STORED) == RGB).all()  # as the images of models of before


@pytest.mark.parametrize("tag", [0, 9, 255])
def test_an_orientation_that_is_none_or_unreadable_turns_nothing(tag: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    assert (decode(encoded(RGB, exif=exif)) == RGB).all()
    assert (decode(encoded(RGB, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")) == RGB).all()


def test_a_turned_photo_of_sixteen_bits_lies_as_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plane = np.array([[0, 257, 514], [771, 1028, 65535]], np.uint16)
    assert decode(encoded(plane, exif=exif))[..., 0].tolist() == [[3, 0], [4, 1], [255, 2]]


def test_first_of_several_frames_counts() -> None:
    more = [Image.fromarray(255 - RGB)]
    for format in ("TIFF", "PNG"):
        assert (decode(encoded(RGB, format, save_all=True, append_images=more)) == RGB).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_thirty_two_bit_pixels_are_refused_by_name(mode: str) -> None:
    data = encoded(Image.new(mode, (3, 2)), "TIFF")
    with pytest.raises(UserError, match=rf"a\.tif has the pixel format {mode}\. Hint: Scale it to 8 bits"):
        decode(data, "a.tif")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_truncated_files_are_named(tmp_path: Path, format: str, kept: float) -> None:
    data = encoded(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8), format)
    file = tmp_path / "003.png"
    file.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"003\.png is (corrupt or truncated|none)"):
        decode(file)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"\xff\xd8\xff", b"GIF89a"])
def test_other_files_are_named(data: bytes) -> None:
    with pytest.raises(UserError, match=r"^image must be .*a\.png is "):
        decode(data, "a.png")
    with pytest.raises(UserError, match=r"^image must be .*a\.png is "):
        decode_mask(data, "a.png")


def test_other_formats_are_not_even_tried() -> None:
    for format in ("GIF", "PPM", "WEBP"):
        with pytest.raises(UserError, match="must be PNG, JPEG, BMP or TIFF, but the image is none"):
            decode(encoded(RGB, format))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "TIFF"])
def test_damaged_bytes_end_in_pixels_or_a_user_error(format: str) -> None:
    data = encoded(RGB, format)
    damage = np.random.default_rng(1)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(150):
            damaged = bytearray(data)
            for place in damage.integers(0, len(data), 4):
                damaged[place] = damage.integers(0, 256)
            with contextlib.suppress(UserError):
                assert decode(bytes(damaged)).dtype == np.uint8
    assert not heard


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (50_000, 50_000)])
def test_bombs_are_refused_before_their_pixels_are_decoded(width: int, height: int) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(UserError, match=r"at most 100 megapixels, but a\.png has "):
            decode(png_header(width, height), "a.png")
        with pytest.raises(UserError, match=r"a\.png is corrupt or truncated"):
            decode(png_header(9_500, 10_000), "a.png")  # below the limit, where Pillow would already warn
    assert not heard


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 5)])
def test_images_without_pixels_are_refused(width: int, height: int) -> None:
    with pytest.raises(UserError, match=r"^image must "):
        decode(png_header(width, height))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.png is not \(No such file"):
        decode(tmp_path / "none.png")
    with pytest.raises(UserError, match="not a regular file"):
        decode(tmp_path)


def test_decoding_threads_leave_the_warning_filters_alone() -> None:
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(encoded(RGB)) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


SPECS = [ImageSpec(256, 224), ImageSpec(256, 0), ImageSpec(255, 224), ImageSpec(64, 33)]


@pytest.mark.parametrize("spec", SPECS)
def test_view_is_torchvisions(spec: ImageSpec) -> None:
    image = RNG.integers(0, 256, (90, 301, 3), dtype=np.uint8)
    squeezed = Image.fromarray(image).resize((spec.resize, spec.resize), Image.Resampling.BILINEAR)
    start = (spec.resize - spec.size) // 2
    whole = reference.to_dtype(reference.pil_to_tensor(squeezed), torch.float32, scale=True)
    whole = reference.normalize(whole, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    seen = view(image, spec)
    assert seen.dtype == torch.float32 and seen.shape == (3, spec.size, spec.size) and seen.is_contiguous()
    torch.testing.assert_close(seen, whole[:, start : start + spec.size, start : start + spec.size])


def test_the_normalisation_of_a_view_can_be_another() -> None:
    image = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seen = view(image, ImageSpec(64, 0, Normalisation((0.5, 0.4, 0.3), (0.5, 0.25, 1))))
    whole = reference.to_dtype(torch.from_numpy(image).permute(2, 0, 1), torch.float32, scale=True)
    torch.testing.assert_close(seen, reference.normalize(whole, [0.5, 0.4, 0.3], [0.5, 0.25, 1]))
    assert view(image, ImageSpec(64, 0, Normalisation())).equal(view(image, ImageSpec(64, 0)))


def test_view_squeezes_as_torchvision_does_with_antialiasing() -> None:
    image = RNG.integers(0, 256, (400, 301, 3), dtype=np.uint8)
    resized = reference.resize(torch.from_numpy(image).permute(2, 0, 1).float(), [64, 64], antialias=True)
    expected = reference.normalize(resized / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert (view(image, ImageSpec(64, 0)) - expected).abs().max() < 2 / 255 / 0.224


def test_view_of_one_pixel() -> None:
    spec = ImageSpec()
    assert view(np.full((1, 1, 3), 7, np.uint8), spec).unique().numel() == 3
    assert view_coordinates(1, spec).tolist() == [111.5]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("length", [1, 2, 3, 7, 100, 223, 256, 257, 1024, 1999])
def test_footprint_is_the_pixels_whose_centres_the_view_shows(spec: ImageSpec, length: int) -> None:
    start = (spec.resize - spec.size) // 2
    centres = [Fraction(2 * x + 1, 2) * Fraction(spec.resize, length) for x in range(length)]
    inside = [x for x, centre in enumerate(centres) if start <= centre <= start + spec.size]
    found = footprint(length, 50, spec)
    assert list(range(found.top, found.bottom)) == inside
    assert (found.left, found.right) == (footprint(50, 50, spec).left, footprint(50, 50, spec).right)
    expected = [float(centres[x] - start - Fraction(1, 2)) for x in inside]
    np.testing.assert_allclose(view_coordinates(length, spec), expected, rtol=0, atol=1e-9)


def test_no_crop_shows_the_whole_image() -> None:
    shown = footprint(31, 77, ImageSpec(64, 0))
    assert (shown.top, shown.left, shown.bottom, shown.right) == (0, 0, 31, 77)


@pytest.mark.parametrize(("height", "width"), [(300, 500), (100, 90), (256, 256), (1024, 640)])
@pytest.mark.parametrize("spec", SPECS)
def test_a_marked_pixel_appears_where_view_coordinates_says(height: int, width: int, spec: ImageSpec) -> None:
    shown = footprint(height, width, spec)
    for y, x in [(0.3, 0.3), (0.5, 0.5), (0.66, 0.62)]:
        row, column = int(y * height), int(x * width)
        image = np.zeros((height, width, 3), np.uint8)
        # A block around the pixel rather than the pixel alone: shrunk to 8 bits a single one leaves too few levels.
        image[row - 3 : row + 4, column - 3 : column + 4] = 255
        light = view(image, spec)[0].double()
        light -= light.min()
        seen_row = float((light.sum(1) * torch.arange(spec.size)).sum() / light.sum())
        seen_column = float((light.sum(0) * torch.arange(spec.size)).sum() / light.sum())
        assert seen_row == pytest.approx(view_coordinates(height, spec)[row - shown.top], abs=0.05)
        assert seen_column == pytest.approx(view_coordinates(width, spec)[column - shown.left], abs=0.05)
