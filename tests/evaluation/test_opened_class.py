"""An opened class: what its image sets hold, as the files hold it, and none of them opened more often than need be."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.config import DataSpec
from adtrack.data import imageset
from adtrack.data.reading import Reading
from adtrack.errors import UserError
from adtrack.evaluation import opened_class
from adtrack.evaluation.opened_class import OpenedClass, open_class

SETS = ("val_clean", "val_shift", "test_clean", "test_shift", "test_shift@2")


def part(root: Path) -> OpenedClass:
    return open_class(DataSpec("part", str(root)))


@pytest.fixture
def varied(tmp_path: Path, write_part: Callable[..., Path]) -> Path:
    """The class "part" with an image of another size and one that a viewer turns, each with its mask."""
    root = write_part(tmp_path)
    for number, (size, orientation) in {"002": ((90, 48), 1), "003": ((40, 70), 6)}.items():
        for file in ("test/spot/{}.png", "ground_truth/spot/{}_mask.png"):
            path = root / "part" / file.format(number)
            exif = Image.Exif()
            exif[0x0112] = orientation
            Image.open(path).resize(size).save(path, exif=exif)
    return root


def test_sizes_and_masks_are_those_of_the_files(varied: Path) -> None:
    opened = part(varied)
    seen = set()
    for name in SETS:
        images, masks = opened.images(name), opened.masks(name)
        assert opened.sizes(name) == [images.image(at).shape[:2] for at in range(len(images))]
        for at, mask in enumerate(masks):
            np.testing.assert_array_equal(mask, images.mask(at))
            np.testing.assert_array_equal(opened.mask(name, at), mask)
            assert mask.dtype == bool
        seen |= set(opened.sizes(name))
    assert seen == {(64, 64), (48, 90), (40, 70)}  # the turned one: 70 rows are stored, 40 are shown


def test_a_mask_is_read_once_as_long_as_there_is_room(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    whole = imageset.decode_mask

    def watched(file: Path, *arguments: object) -> np.ndarray:
        reads.append(file)
        return whole(file, *arguments)

    monkeypatch.setattr(imageset, "decode_mask", watched)
    opened = part(tiny_data)
    marked = sum(record.mask is not None for record in opened.images("test_clean").records)
    first = [*opened.masks("test_clean")]
    again = [*opened.masks("test_clean")]
    assert len(reads) == marked > 1
    again[-1][:] = True  # what is handed out is the caller's own
    assert all(map(np.array_equal, opened.masks("test_clean"), first))
    monkeypatch.setattr(opened_class, "_MASK_ROOM", 64 * 64 // 8)  # for one mask
    reads.clear()
    small = part(tiny_data)
    assert all(map(np.array_equal, small.masks("test_clean"), small.masks("test_clean")))
    assert len(reads) == 2 * marked - 1


def test_masks_are_made_when_they_are_read(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_class, "_MASK_ROOM", 0)
    masks = part(tiny_data).masks("test_clean")
    first, last = masks[0], masks[-1]
    assert first is not masks[0] and last is not masks[-1], "none of them stays in memory"
    assert [mask.any() for mask in masks[1:]] == [mask.any() for mask in masks][1:] and len(masks[1:]) == len(masks) - 1
    with pytest.raises(IndexError):
        masks[len(masks)]


def test_without_masks_there_are_none(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    opened = part(write_part(tmp_path, masks=False))
    assert opened.masks("val_clean") is None and opened.mask("val_clean", 0) is None


def test_sets_without_images_are_not_present(good_data: Path, tmp_path: Path) -> None:
    shutil.copytree(good_data / "photos/train", tmp_path / "photos/train")
    opened = open_class(DataSpec("photos", str(tmp_path)))
    assert opened.present(SETS[:4]) == ("val_clean", "val_shift")


def test_the_reading_is_the_models_else_the_given_depth_else_what_the_images_say(
    tmp_path: Path, write_part: Callable[..., Path]
) -> None:
    root = write_part(tmp_path)
    deep = root / "part/train/good/000.png"
    Image.fromarray(np.full((64, 64), 1000, np.uint16)).save(deep)
    data = DataSpec("part", str(root))
    assert open_class(data).checked.reading.bits == 10
    assert open_class(DataSpec("part", str(root), bit_depth=12)).checked.reading.bits == 12
    assert open_class(DataSpec("part", str(root), bit_depth=12), Reading(14)).checked.reading.bits == 14


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_name": "nut"}, "class must be one of part"),
        ({"root": "/nowhere/at/all"}, "does not exist"),
    ],
)
def test_what_is_not_there_is_named(tiny_data: Path, fields: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_class(DataSpec(**{"class_name": "part", "root": str(tiny_data), **fields}))


def test_a_corrupt_image_is_named(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    root = write_part(tmp_path)
    file = root / "part" / "test" / "good" / "001.png"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match=r"part/test/good/001\.png is corrupt or truncated"):
        part(root)


def test_fewer_train_images_are_the_same_in_every_draw_and_the_class_says_how_many(tiny_data: Path) -> None:
    whole, few = (open_class(DataSpec("part", str(tiny_data), train_images=count)) for count in (None, 3))
    assert few.images("train_clean").records == few.images("train_draw1").records == few.images("train_shift").records
    assert len(few.images("train_clean")) == 3
    assert set(few.images("train_clean").records) < set(whole.images("train_clean").records)
    assert few.images("train_clean").digest != whole.images("train_clean").digest
    for name in SETS:
        assert few.images(name).digest == whole.images(name).digest
    assert few.digest != whole.digest and whole.fewer_images == {}
    assert few.fewer_images == {"train_images": "3"}
    drawn = open_class(DataSpec("part", str(tiny_data), train_images=3, train_draw=2))
    assert drawn.fewer_images == {"train_images": "3", "train_draw": "2"} and drawn.digest != few.digest
