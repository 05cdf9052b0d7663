"""Products that are made while files are checked: the same bytes as in a pass, all of a product or nothing."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.config import DataSpec, ImageSpec
from adtrack.data.checking import check_images
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.layouts import read_class
from adtrack.data.reading import Reading
from adtrack.data.splits import listed_splits, make_splits
from adtrack.errors import UserError
from adtrack.evaluation.opened_class import list_class
from adtrack.features.entry import EntryWriter
from adtrack.features.passes import Product
from adtrack.features.store import FeatureStore
from adtrack.features.views import view_pixels

SETS = (("train", "clean"), ("val", "clean"), ("val", "shift"))
VIEW = ImageSpec(48, 32)


def checked_ahead(root: Path, folder: Path) -> dict[str, Product]:
    """A class checked while the views of three sets are made: these, by the names of their sets."""
    found = read_class(root, "part")
    listed = listed_splits(found, 42, Reading())
    with FeatureStore(folder).ahead([view_pixels(image_set(listed, root, *each), VIEW) for each in SETS]) as ahead:
        splits = make_splits(found, 42, check_images(root, found.records, watcher=ahead))
        products = [view_pixels(image_set(splits, root, *each), VIEW) for each in SETS]
        ahead.keep([product.key for product in products])
    return {product.images.name: product for product in products}


def made(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.exists() else set()


def test_they_have_the_bytes_of_a_pass_and_no_image_is_decoded_again(
    tmp_path: Path, tiny_data: Path, decoded: Counter[int]
) -> None:
    products = checked_ahead(tiny_data, tmp_path / "ahead")
    kept = {name: np.array(FeatureStore(tmp_path / "ahead").product(each, "")) for name, each in products.items()}
    assert not decoded and made(tmp_path / "ahead") == {product.key for product in products.values()}
    for name, product in products.items():
        assert np.array_equal(kept[name], FeatureStore(tmp_path / "pass").product(product, ""))
        for file in ("features.npy", "checksum.json"):
            one, other = (tmp_path / place / product.key / file for place in ("ahead", "pass"))
            assert one.read_bytes() == other.read_bytes()


def test_sets_with_files_that_were_checked_before_are_left_to_a_pass(
    tmp_path: Path, write_part, decoded: Counter[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adtrack.data.remembered._SETTLED_NS", 0)
    root = write_part(tmp_path / "data")
    checked_ahead(root, tmp_path / "first")
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(root / "part/train/good/new.png")
    products = checked_ahead(root, tmp_path / "second")
    assert made(tmp_path / "second") == set()
    for product in products.values():
        expected = np.stack([product.make(at, product.images.image(at)) for at in range(len(product.images))])
        assert np.array_equal(FeatureStore(tmp_path / "second").product(product, ""), expected)


def test_deep_images_are_left_to_a_pass_which_knows_how_to_read_them(tmp_path: Path, write_part) -> None:
    root = write_part(tmp_path / "data")
    found = sorted((root / "part/train/good").iterdir())[0]
    Image.fromarray(np.full((64, 64), 1000, np.uint16)).save(found)
    products = checked_ahead(root, tmp_path / "cache")
    with_it = {
        product.key for product in products.values() if f"part/train/good/{found.name}" in _paths(product.images)
    }
    assert len(with_it) in (1, 2) and made(tmp_path / "cache") == {each.key for each in products.values()} - with_it


def _paths(images: ImageSet) -> set[str]:
    return {record.path for record in images.records}


def test_nothing_is_left_of_a_check_that_fails(tmp_path: Path, write_part) -> None:
    root = write_part(tmp_path / "data")
    (root / "part/train/good/007.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"007\.png is none"):
        checked_ahead(root, tmp_path / "cache")
    assert made(tmp_path / "cache") == set()


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_disk_that_refuses_does_not_stop_the_check(
    tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    added, add = Counter(), EntryWriter.add

    def fail(writer: EntryWriter, output: np.ndarray) -> None:
        added[writer.key] += 1
        if when == "at once" or added[writer.key] > 2:
            raise OSError(28, "No space left on device")
        add(writer, output)

    monkeypatch.setattr(EntryWriter, "add", fail)
    products = checked_ahead(tiny_data, tmp_path)
    assert made(tmp_path) == set()
    monkeypatch.undo()
    for product in products.values():
        assert len(FeatureStore(tmp_path).product(product, "")) == len(product.images)


def test_the_listed_class_shows_the_images_of_the_opened_one(tiny_data: Path) -> None:
    listed = list_class(DataSpec("part", str(tiny_data)))
    opened = listed.open()
    for name in ("train_clean", "val_shift", "test_clean"):
        one, other = listed.images(name), opened.images(name)
        assert one.records == other.records and np.array_equal(one.image(0), other.image(0))
