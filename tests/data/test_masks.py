"""Masks as programs write them: which pixels they mark."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.data.checking import check_images
from adtrack.data.classes import ImageRecord
from adtrack.data.masks import content_digest, decode_mask
from adtrack.data.reading import STORED
from adtrack.errors import UserError

RNG = np.random.default_rng(0)


def encoded(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, format, **options)
    return buffer.getvalue()


MARKED = np.zeros((4, 5), bool)
MARKED[1, 2:4] = True


@pytest.mark.parametrize("value", [1, 255])
def test_mask_of_any_kind_marks_what_is_not_zero(tmp_path: Path, value: int) -> None:
    plane = MARKED * np.uint8(value)
    blue = np.dstack([0 * plane, 0 * plane, plane])
    veil = RNG.integers(1, 256, plane.shape, dtype=np.uint8)
    images = {
        "grey": plane,
        "bilevel": MARKED,
        "sixteen": plane.astype(np.uint16),
        "integers": plane.astype(np.int32),
        "colour": blue,
        "alpha": np.dstack([blue, veil]),
        "grey_alpha": np.dstack([plane, veil]),
    }
    for name, image in images.items():
        (tmp_path / name).write_bytes(encoded(image, "TIFF" if name == "integers" else "PNG"))
        mask = decode_mask(tmp_path / name)
        assert mask.dtype == bool and (mask == MARKED).all(), name


def test_palette_mask_goes_by_colour() -> None:
    image = Image.fromarray(1 - MARKED.astype(np.uint8), "P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    assert (decode_mask(encoded(image)) == MARKED).all()
    assert (decode_mask(encoded(image, transparency=bytes([0, 255]))) == MARKED).all()


def test_the_masks_of_a_folder_are_one_and_have_one_digest(tmp_path: Path) -> None:
    folder = tmp_path / "000"
    folder.mkdir()
    other = np.roll(MARKED, 1, axis=0)
    (folder / "000.png").write_bytes(encoded(MARKED * np.uint8(255)))
    alone = content_digest(folder)
    (folder / "001.png").write_bytes(encoded(other * np.uint8(200)))
    (folder / ".DS_Store").touch()
    assert (decode_mask(folder) == (MARKED | other)).all() and MARKED.sum() < decode_mask(folder).sum()
    (tmp_path / "0.png").write_bytes(encoded(np.zeros(MARKED.shape, np.uint8)))
    found = check_images(tmp_path, [ImageRecord("0.png", 1, "crack", "000")]).contents["000"]
    assert found == content_digest(folder) != alone
    (folder / "001.png").write_bytes(encoded(MARKED[1:] * np.uint8(255)))
    with pytest.raises(
        UserError, match=r"must have one size, but 000/001\.png has 5 × 3 pixels and 000/000\.png 5 × 4"
    ):
        decode_mask(folder, "000")
    for file in folder.glob("*.png"):
        file.unlink()
    with pytest.raises(UserError, match="must hold at least one, but 000 holds none"):
        decode_mask(folder, "000")


DRAWN = np.zeros((40, 50), bool)
DRAWN[9:23, 13:38] = True


def test_what_jpeg_leaves_beside_an_edge_is_no_defect() -> None:
    for quality in (50, 75, 95):
        data = encoded(DRAWN * np.uint8(255), "JPEG", quality=quality)
        assert (decode_mask(data) == DRAWN).all()
        assert (np.asarray(Image.open(io.BytesIO(data))) != 0).sum() > DRAWN.sum()
    assert not decode_mask(encoded(np.full((16, 16), 3, np.uint8), "JPEG")).any()


@pytest.mark.parametrize("bits", [8, 16])
def test_many_values_are_cut_at_half_of_their_maximum(bits: int) -> None:
    most = 200 * 257 ** (bits == 16)
    plane = np.array([[0, most // 2, most // 2 + 1, most]], np.uint16 if bits == 16 else np.uint8)
    assert decode_mask(encoded(plane)).tolist() == [[False, False, True, True]]
    assert decode_mask(encoded(plane.astype(np.float32) / most, "TIFF")).tolist() == [[False, False, True, True]]


def test_numbers_of_kinds_all_count() -> None:
    numbers = np.array([[0, 1, 2, 3]], np.uint8)
    image = Image.fromarray(numbers, "P")
    image.putpalette([0, 0, 0, 64, 0, 0, 192, 128, 0, 0, 0, 128])
    for data in (encoded(numbers), encoded(numbers.astype(np.uint16)), encoded(image)):
        assert decode_mask(data).tolist() == [[False, True, True, True]]


@pytest.mark.parametrize(
    ("colour", "below"),
    [
        *(((shade,) * 3, None) for shade in (0, 9, 255)),
        *(((255, 0, 0), below) for below in (None, (0, 0, 0), (255, 255, 255))),
        *(((9, 9, 9), below) for below in ((0, 0, 0), (255, 255, 255))),
    ],
)
def test_one_colour_on_transparency_is_marked_by_its_alpha(colour: tuple, below: tuple | None) -> None:
    pixels = np.zeros((*DRAWN.shape, 4), np.uint8)
    edge = np.roll(DRAWN, 1, axis=0) & ~DRAWN
    pixels[..., :3] = colour if below is None else np.where((DRAWN | edge)[..., None], colour, below)
    pixels[..., 3] = DRAWN * 255 + edge * 60
    assert (decode_mask(encoded(pixels)) == DRAWN).all()


def test_colours_count_where_alpha_says_nothing() -> None:
    pixels = np.dstack([DRAWN * np.uint8(255)] * 3 + [np.full(DRAWN.shape, 255, np.uint8)])
    for alpha in (0, 128, 255):
        pixels[..., 3] = alpha
        assert (decode_mask(encoded(pixels)) == DRAWN).all()


@pytest.mark.parametrize("palette", [False, True])
def test_a_pen_on_white_paper_is_refused_by_name(palette: bool) -> None:
    paper = np.where(DRAWN[..., None], (255, 0, 0), 255).astype(np.uint8)
    image = Image.fromarray(paper).quantize(4) if palette else Image.fromarray(paper)
    with pytest.raises(UserError, match=r"must be black where the part is good, but a\.png has several colours and no"):
        decode_mask(encoded(image), "a.png")


def test_a_mask_is_turned_by_its_own_tag() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert (decode_mask(encoded(DRAWN, exif=exif)) == np.rot90(DRAWN, -1)).all()
    assert (decode_mask(encoded(DRAWN, exif=exif), reading=STORED) == DRAWN).all()
