"""Image sets: a split in a domain; images and masks shifted together, and what the digest depends on."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack import config
from adtrack.data.checking import check_images
from adtrack.data.classes import ImageRecord
from adtrack.data.imageset import ImageSet, draw_names, image_set, parse_name
from adtrack.data.layouts import read_class
from adtrack.data.reading import Reading
from adtrack.data.shift import draw_seed, draw_shift
from adtrack.data.splits import Splits, make_splits
from adtrack.data.transform import shift_image, shift_mask
from adtrack.errors import UserError


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_a_split_in_its_domain(tiny_splits: Splits, tiny_data: Path) -> None:
    images = image_set(tiny_splits, tiny_data, "val", "shift")
    assert images.name == "val_shift" and len(images) == 4
    assert images.labels.dtype == np.int64 and images.labels.tolist() == [1, 1, 0, 0]
    assert images.kinds == ["scratch", "spot", "good", "good"]
    assert [len(image_set(tiny_splits, tiny_data, name, "clean")) for name in ("train", "test")] == [8, 10]


def test_clean_images_are_the_files(tiny_splits: Splits, tiny_data: Path) -> None:
    images = image_set(tiny_splits, tiny_data, "test", "clean")
    for index, record in enumerate(images.records):
        image = images.image(index)
        assert image.dtype == np.uint8 and images.size(index) == (64, 64)
        np.testing.assert_array_equal(image, pixels(tiny_data / record.path))


def test_shifted_images_are_the_files_through_their_own_shift(tiny_splits: Splits, tiny_data: Path) -> None:
    images = image_set(tiny_splits, tiny_data, "test", "shift")
    for index, record in enumerate(images.records):
        expected = shift_image(pixels(tiny_data / record.path), draw_shift(record.path, 42))
        np.testing.assert_array_equal(images.image(index), expected)
        assert images.size(index) == expected.shape[:2]


def test_draws_of_train_have_shifts_of_their_own(tiny_splits: Splits, tiny_data: Path) -> None:
    first, second, weak = (
        image_set(tiny_splits, tiny_data, *parse_name(name))
        for name in ("train_draw1", "train_draw2", "train_draw1@0.5")
    )
    assert [one.name for one in (first, second, weak)] == ["train_draw1", "train_draw2", "train_draw1@0.5"]
    record, seed = first.records[0], draw_seed(42, 1)
    expected = shift_image(pixels(tiny_data / record.path), draw_shift(record.path, seed))
    np.testing.assert_array_equal(first.image(0), expected)
    assert len({seed, draw_seed(42, 2), draw_seed(43, 1), 42}) == 4
    shifted = image_set(tiny_splits, tiny_data, "train", "shift")
    assert len({one.digest for one in (first, second, weak, shifted)}) == 4
    assert draw_names(2, 1.0) == ("train_draw1", "train_draw2") and draw_names(1, 0.5) == ("train_draw1@0.5",)
    for name in ("val_draw1", "train_draw0", "train_draw", "train_draw100", "train_clean@0.5", "test_draw1"):
        with pytest.raises(UserError, match="image set must be called"):
            parse_name(name)


def test_a_mask_moves_with_its_image(tiny_splits: Splits, tiny_data: Path) -> None:
    clean, shifted = (image_set(tiny_splits, tiny_data, "test", domain) for domain in ("clean", "shift"))
    for index in np.flatnonzero(clean.labels):
        record = clean.records[index]
        drawn = pixels(tiny_data / record.mask) > 0
        mask = clean.mask(index)
        assert mask.dtype == bool and mask.any()
        np.testing.assert_array_equal(mask, drawn)
        np.testing.assert_array_equal(shifted.mask(index), shift_mask(drawn, draw_shift(record.path, 42)))
    # And that is where the image shows it: spots are far brighter than the part around them.
    for index in (index for index, kind in enumerate(shifted.kinds) if kind == "spot"):
        image, mask = shifted.image(index).mean(axis=2), shifted.mask(index)
        assert image[mask].mean() > image[~mask].mean() + 30


@pytest.mark.parametrize("domain", ["clean", "shift"])
def test_a_normal_image_has_an_empty_mask_of_its_size(
    tmp_path: Path, write_part: Callable[..., Path], domain: str
) -> None:
    root = write_part(tmp_path)
    Image.new("L", (50, 31)).save(root / "part" / "test" / "good" / "wide.png")
    images = part(root, "test", domain)
    for index in np.flatnonzero(images.labels == 0):
        mask = images.mask(index)
        assert mask.dtype == bool and not mask.any() and mask.shape == images.image(index).shape[:2]
    assert (31, 50) in {images.size(index) for index in range(len(images))}


def test_without_masks_only_normal_images_have_one(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    images = part(write_part(tmp_path, masks=False), "test", "clean")
    masks = [images.mask(index) for index in range(len(images))]
    assert [mask is None for mask in masks] == images.labels.astype(bool).tolist()


def part(root: Path, split: str, domain: str) -> ImageSet:
    images = read_class(root, "part")
    return image_set(make_splits(images, 42, check_images(root, images.train + images.test)), root, split, domain)


def test_the_digest_names_the_content_and_not_the_folder(
    tmp_path: Path, write_part: Callable[..., Path], tiny_splits: Splits, tiny_data: Path
) -> None:
    here = image_set(tiny_splits, tiny_data, "train", "clean")
    root = write_part(tmp_path)
    assert part(root, "train", "clean").digest == here.digest
    changed = root / here.records[0].path
    Image.fromarray(pixels(changed) ^ np.uint8(1)).save(changed)
    assert hashlib.sha256(changed.read_bytes()).hexdigest() != here.contents[here.records[0].path]
    assert part(root, "train", "clean").digest != here.digest
    assert part(root, "test", "clean").digest == image_set(tiny_splits, tiny_data, "test", "clean").digest


def test_the_digest_depends_on_the_shift_seed_only_where_it_is_used(tiny_splits: Splits, tiny_data: Path) -> None:
    def digests(domain: str) -> list[str]:
        images = image_set(tiny_splits, tiny_data, "train", domain)
        return [dataclasses.replace(images, shift_seed=seed).digest for seed in (42, 43)]

    clean, shifted = digests("clean"), digests("shift")
    assert clean[0] == clean[1] and shifted[0] != shifted[1] and clean[0] not in shifted


def test_the_digest_depends_on_which_images_and_their_order(tiny_splits: Splits, tiny_data: Path) -> None:
    images = image_set(tiny_splits, tiny_data, "train", "clean")
    fewer, turned = (dataclasses.replace(images, records=r) for r in (images.records[1:], images.records[::-1]))
    assert len({images.digest, fewer.digest, turned.digest}) == 3


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("train_clean", ("train", "clean", 1.0)),
        ("val_shift", ("val", "shift", 1.0)),
        ("test_shift@0.5", ("test", "shift", 0.5)),
        ("test_shift@0", ("test", "shift", 0.0)),
        ("test_shift@2", ("test", "shift", 2.0)),
        ("test_shift@0.00001", ("test", "shift", 0.00001)),
    ],
)
def test_a_name_says_split_domain_and_severity_and_comes_back(
    tiny_splits: Splits, tiny_data: Path, name: str, parts: tuple[str, str, float]
) -> None:
    assert parse_name(name) == parts
    assert image_set(tiny_splits, tiny_data, *parts).name == name


@pytest.mark.parametrize(("name", "short"), [("test_shift@1.0", "test_shift"), ("val_shift@0.50", "val_shift@0.5")])
def test_a_severity_has_one_name(tiny_splits: Splits, tiny_data: Path, name: str, short: str) -> None:
    assert image_set(tiny_splits, tiny_data, *parse_name(name)).name == short


@pytest.mark.parametrize(
    "name",
    [
        *("", "test", "clean", "test_", "test-shift", "Test_shift", "all_clean", "test_dark", "test_shift_clean"),
        *("test_clean@1", "test_shift@", "test_shift@x", "test_shift@-1", "test_shift@nan", "test_shift@1e-1"),
        *("test_shift@.5", "test_shift@0_5", " test_shift", "test_shift\n", "test_shift@0.5\n", "test_shift@٠"),
    ],
)
def test_nonsense_is_no_name(name: str) -> None:
    with pytest.raises(UserError, match="an image set must be called train, val or test with _clean or _shift"):
        parse_name(name)


def test_a_name_with_too_much_severity_is_refused() -> None:
    with pytest.raises(UserError, match=r"severity must be between 0 and 2, but got 2\.5"):
        parse_name("test_shift@2.5")


def test_images_and_masks_have_the_severity_of_their_set(tiny_splits: Splits, tiny_data: Path) -> None:
    clean, none, half, once, twice = (
        image_set(tiny_splits, tiny_data, *parse_name(f"test_{domain}"))
        for domain in ("clean", "shift@0", "shift@0.5", "shift", "shift@2")
    )
    for index, record in enumerate(clean.records):
        image, mask = clean.image(index), clean.mask(index)
        np.testing.assert_array_equal(none.image(index), image)
        np.testing.assert_array_equal(none.mask(index), mask)
        for images, severity in ((half, 0.5), (once, 1), (twice, 2)):
            shift = draw_shift(record.path, 42, severity)
            np.testing.assert_array_equal(images.image(index), shift_image(image, shift))
            np.testing.assert_array_equal(images.mask(index), shift_mask(mask, shift))


def test_images_and_digest_depend_on_how_files_are_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.array([[0, 4095]], np.uint16)).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "a_mask.png", exif=exif)
    records = (ImageRecord("a.png", 1, "crack", "a_mask.png"),)
    contents = {"a.png": "x", "a_mask.png": "y"}
    first = ImageSet("test", "clean", tmp_path, records, 42, contents)
    shown = dataclasses.replace(first, reading=Reading(12))
    assert first.image(0)[..., 0].tolist() == [[0, 16]] and first.mask(0).tolist() == [[False, True]]
    assert shown.image(0)[..., 0].tolist() == [[0], [255]] and shown.mask(0).tolist() == [[False], [True]]
    assert shown.size(0) == (2, 1) and first.digest != shown.digest
    assert first.digest == config.digest({"images": [["a.png", "x"]], "shift_seed": None})  # caches stay valid


def test_the_digest_depends_on_the_severity_unless_it_is_1(tiny_splits: Splits, tiny_data: Path) -> None:
    def found(domain: str, severity: float) -> str:
        return image_set(tiny_splits, tiny_data, "test", domain, severity).digest

    assert len({found("shift", severity) for severity in (0, 0.5, 1, 2)} | {found("clean", 1)}) == 5
    assert found("clean", 0.5) == found("clean", 1) and found("shift", 2) == found("shift", 2.0)
    images = [[r.path, tiny_splits.contents[r.path]] for r in tiny_splits.test.records]
    # As it was before there was a severity: features in caches stay valid.
    assert found("shift", 1) == config.digest({"images": images, "shift_seed": 42})
    assert found("clean", 1) == config.digest({"images": images, "shift_seed": None})
