"""Classes and images on disk: their layout, masks and names, and what is refused."""

import os
from pathlib import Path

import pytest

from adtrack.data.classes import ImageRecord
from adtrack.data.layouts import class_names, read_class
from adtrack.errors import UserError

FILES = [
    "train/good/001.png",
    "train/good/000.png",
    "test/good/000.png",
    "test/crack/001.png",
    "test/crack/000.png",
    "test/blow hole/000.png",
    "ground_truth/crack/000_mask.png",
    "ground_truth/crack/001_mask.png",
    "ground_truth/blow hole/000_mask.png",
]


def touch(root: Path, *files: str) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    touch(tmp_path / "tile", *FILES)
    return tmp_path


def test_reads_records_sorted_by_path(root: Path) -> None:
    tile = read_class(root, "tile")
    assert [record.path for record in tile.train] == ["tile/train/good/000.png", "tile/train/good/001.png"]
    assert tile.test == (
        ImageRecord("tile/test/blow hole/000.png", 1, "blow hole", "tile/ground_truth/blow hole/000_mask.png"),
        ImageRecord("tile/test/crack/000.png", 1, "crack", "tile/ground_truth/crack/000_mask.png"),
        ImageRecord("tile/test/crack/001.png", 1, "crack", "tile/ground_truth/crack/001_mask.png"),
        ImageRecord("tile/test/good/000.png", 0, "good", None),
    )
    assert tile.has_masks and tile.name == "tile" and tile.root == root


def test_suffixes_count_in_any_case_and_other_files_do_not(root: Path) -> None:
    names = ["a.PNG", "b.jpg", "c.JPEG", "d.bmp", "e.Tif", "f.TIFF"]
    others = ["Thumbs.db", ".hidden.png", "._b.jpg", "notes.txt", "Icon\r"]
    touch(root / "other/train/good", *names, *others)
    (root / "other/train/good/folder.png").mkdir()
    touch(root / "other/test", "readme.png", ".cache/000.png", "scratch/000.png")
    other = read_class(root, "other")
    assert [Path(record.path).name for record in other.train] == names
    assert [record.path for record in other.test] == ["other/test/scratch/000.png"]


def test_broken_link_counts_so_that_reading_it_fails(root: Path) -> None:
    (root / "tile/train/good/002.png").symlink_to(root / "nowhere.png")
    assert len(read_class(root, "tile").train) == 3


def test_class_names_are_the_folders_with_train_good(root: Path) -> None:
    touch(root, "b/train/good/0.png", "no_class/test/good/0.png", ".hidden/train/good/0.png", "file")
    assert class_names(root) == ["b", "tile"]


def test_masks_may_have_any_suffix_and_the_bare_stem(root: Path) -> None:
    truth = root / "tile/ground_truth/crack"
    (truth / "000_mask.png").rename(truth / "000.BMP")
    (truth / "001_mask.png").rename(truth / "001_mask.tif")
    touch(truth, "001.png")
    masks = {record.path: record.mask for record in read_class(root, "tile").test if record.kind == "crack"}
    assert masks == {
        "tile/test/crack/000.png": "tile/ground_truth/crack/000.BMP",
        "tile/test/crack/001.png": "tile/ground_truth/crack/001_mask.tif",
    }


@pytest.mark.parametrize("left", ["nothing", "empty folders"])
def test_a_data_set_without_masks_is_allowed(root: Path, left: str) -> None:
    for mask in (root / "tile/ground_truth").rglob("*.png"):
        mask.unlink()
    if left == "nothing":
        for folder in [*(root / "tile/ground_truth").iterdir(), root / "tile/ground_truth"]:
            folder.rmdir()
    tile = read_class(root, "tile")
    assert not tile.has_masks and len(tile.test) == 4


def test_a_missing_mask_among_others_is_named(root: Path) -> None:
    (root / "tile/ground_truth/crack/001_mask.png").unlink()
    with pytest.raises(UserError, match=r"tile/test/crack/001\.png has none.*ground_truth/crack/001_mask\.png"):
        read_class(root, "tile")


def test_a_class_without_test_images_is_read(root: Path) -> None:
    touch(root, "b/train/good/0.png")
    assert read_class(root, "b").test == ()


@pytest.mark.parametrize(
    "name", ["zipper", "", ".", "..", "../tile", "tile/", "tile/train", "x/../tile", "/etc", "tile\0", ".hidden"]
)
def test_unknown_and_hostile_names_list_the_classes(root: Path, name: str) -> None:
    touch(root, "b/train/good/0.png", ".hidden/train/good/0.png")
    with pytest.raises(UserError, match=r"class must be one of b, tile in .*, but got "):
        read_class(root, name)


def test_an_absolute_name_is_unknown(root: Path) -> None:
    with pytest.raises(UserError, match="class must be one of tile"):
        read_class(root, str(root / "tile"))


def test_unknown_class_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds none, but got 'tile'"):
        read_class(tmp_path, "tile")


def test_empty_train_good_is_refused(root: Path) -> None:
    touch(root, "empty/train/good/Thumbs.db")
    with pytest.raises(UserError, match=r"empty/train/good has none"):
        read_class(root, "empty")


def test_root_must_be_a_folder_above_the_classes(root: Path) -> None:
    touch(root, "file")
    for bad, said in (("nowhere", "does not exist"), ("file", "is a file")):
        with pytest.raises(UserError, match=said):
            read_class(root / bad, "tile")
        with pytest.raises(UserError, match=said):
            class_names(root / bad)
    with pytest.raises(UserError, match=f"is a class itself. Hint: Pass its parent {root} and the class tile"):
        class_names(root / "tile")


def test_a_name_that_is_no_text_is_refused(root: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root / "tile/train/good") + b"/\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes only names that are text")
    with pytest.raises(UserError, match="UTF-8"):
        read_class(root, "tile")
