"""What counts in a class's folders and what does not: nested folders, litter, other names for good, masks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adtrack.data.classes import ImageClass
from adtrack.data.layouts import read_class
from adtrack.errors import UserError

FILES = ("train/good/0.png", "test/good/0.png", "test/spot/0.png", "test/spot/1.png")
MASKS = ("ground_truth/spot/0_mask.png", "ground_truth/spot/1_mask.png")

Reader = Callable[..., ImageClass]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Reads the class "part" of these files, which are empty: only names count."""

    def read(*files: str) -> ImageClass:
        for file in files:
            (tmp_path / "part" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "part" / file).touch()
        return read_class(tmp_path, "part")

    return read


def paths(images: ImageClass) -> set[str]:
    return {record.path.removeprefix("part/") for record in images.train + images.test}


def masks(images: ImageClass) -> dict[str, str]:
    marked = {record.path: record.mask for record in images.test if record.mask}
    return {path.removeprefix("part/test/"): mask.removeprefix("part/ground_truth/") for path, mask in marked.items()}


def test_an_ordinary_class_goes_without_a_remark(read: Reader) -> None:
    images = read(*FILES, *MASKS, "readme.png", "pairs.html", "test/spot/labels.json", "license.txt")
    assert images.remarks == () and paths(images) == set(FILES) and images.has_masks


def test_images_of_nested_folders_count_with_their_masks_and_it_is_said(read: Reader) -> None:
    deeper = ("train/good/batch2/0.png", "train/good/a/b/c.png", "test/good/cam1/0.png", "test/spot/cam1/0.png")
    images = read(*FILES, *MASKS, *deeper, "ground_truth/spot/cam1/0_mask.png")
    assert paths(images) == {*FILES, *deeper}
    assert {(record.kind, record.label) for record in images.test} == {("good", 0), ("spot", 1)}
    assert (
        masks(images)["spot/cam1/0.png"] == "spot/cam1/0_mask.png" and masks(images)["spot/0.png"] == "spot/0_mask.png"
    )
    (remark,) = images.remarks
    assert remark.startswith("Class part counts 4 images in folders below train/good, test/good or test/<defect>")
    assert "(part/train/good/a/b, part/train/good/batch2, part/test/good/cam1 and 1 more)" in remark


def test_a_mask_missing_in_a_nested_folder_is_named_with_its_place(read: Reader) -> None:
    with pytest.raises(UserError, match=r"part/test/spot/c/9\.png has none.*part/ground_truth/spot/c/9_mask\.png"):
        read(*FILES, *MASKS, "test/spot/c/9.png", "ground_truth/spot/9_mask.png")


@pytest.mark.parametrize(
    "name", ["Good", "GOOD", "OK", "ok", "o.k.", "normal", "i.O.", "Defect-free", "no_defect", "合格"]
)
def test_other_names_for_good_are_refused(read: Reader, name: str) -> None:
    with pytest.raises(UserError, match=rf"good parts must lie in test/good, but part/test/{name} would count as def"):
        read(*FILES, f"test/{name}/0.png")


def test_good_parts_below_a_camera_are_refused_and_empty_folders_and_defects_are_not(
    read: Reader, tmp_path: Path
) -> None:
    (tmp_path / "part/test/ok").mkdir(parents=True)
    images = read(*FILES, "test/ok/Thumbs.db", "test/not_ok/0.png", "test/good/ok/0.png")
    assert {record.kind for record in images.test} == {"good", "spot", "not_ok"}
    with pytest.raises(UserError, match="but part/test/cam1/good, part/test/cam2/Good would count as defects"):
        read("test/cam1/good/0.png", "test/cam1/hole/0.png", "test/cam2/Good/x/0.png")


def test_litter_is_neither_read_nor_told_of(read: Reader) -> None:
    litter = (
        *("train/good/.DS_Store", "train/good/._0.png", "train/good/Thumbs.db", "test/spot/desktop.ini"),
        *("train/good/@eaDir/0.png/SYNOFILE_THUMB_M.jpg", "test/@eaDir/a.jpg", "__MACOSX/train/good/._0.png"),
        *("ground_truth/spot/@eaDir/0.png", "test/.ipynb_checkpoints/0.png", "test/spot/.cache/0.png", "@eaDir/0.png"),
    )
    images = read(*FILES, *MASKS, *litter)
    assert paths(images) == set(FILES) and images.remarks == () and images.has_masks


def test_files_that_no_split_takes_are_told_with_number_and_names(read: Reader) -> None:
    unknown = [f"test/spot/{number}.webp" for number in range(5)]
    images = read(*FILES, *unknown, "train/good/a.gif", "test/1.png", "train/Good/1.png", "validation/good/1.png")
    assert paths(images) == set(FILES)
    assert images.remarks == (
        "Class part leaves out 3 files (part/test/1.png, part/train/Good/1.png, part/validation/good/1.png): "
        "its images are those of train/good, test/good and test/<defect>.",
        "Class part leaves out 6 files (part/test/spot/0.webp, part/test/spot/1.webp, part/test/spot/2.webp and "
        "3 more): images are .png .jpg .jpeg .bmp .tif .tiff.",
    )


def test_locos_folders_of_masks_are_the_masks(read: Reader) -> None:
    truth = ("ground_truth/spot/0/000.png", "ground_truth/spot/0/001.png", "ground_truth/spot/1/000.png")
    images = read(*FILES, *truth)
    assert masks(images) == {"spot/0.png": "spot/0", "spot/1.png": "spot/1"} and images.remarks == ()


def test_a_folder_of_nested_masks_is_no_mask_itself(read: Reader) -> None:
    with pytest.raises(UserError, match=r"part/test/spot/0\.png has none"):
        read(*FILES, "test/spot/0/1.png", "ground_truth/spot/0/1_mask.png", "ground_truth/spot/1_mask.png")


def test_masks_of_a_folder_in_another_case_are_read_as_a_system_without_cases_would(read: Reader) -> None:
    images = read(*FILES, "ground_truth/Spot/0_mask.png", "ground_truth/Spot/1_mask.png")
    assert masks(images) == {"spot/0.png": "Spot/0_mask.png", "spot/1.png": "Spot/1_mask.png"}
    assert images.remarks == ("Class part has its masks of test/spot from part/ground_truth/Spot.",)
    images = read("ground_truth/SPOT/0_mask.png")  # which of the two?
    assert not images.has_masks and "leaves out 3 files (part/ground_truth/SPOT/0_mask.png, " in images.remarks[0]


@pytest.mark.parametrize(
    "file",
    [
        "ground_truth/crack/0_mask.png",
        "ground_truth/good/0_mask.png",
        "ground_truth/spot/7_mask.png",
        "ground_truth/0.png",
    ],
)
def test_masks_that_belong_to_nothing_are_named(read: Reader, file: str) -> None:
    images = read(*FILES, *MASKS, file)
    assert set(masks(images)) == {"spot/0.png", "spot/1.png"}
    (remark,) = images.remarks
    assert remark.startswith(
        f"Class part leaves out 1 file (part/{file}): the mask of test/<defect>/<name>.png is ground"
    )


@pytest.mark.parametrize("truth", [MASKS, ("ground_truth/spot/0/000.png", "ground_truth/spot/1/000.png")])
def test_two_images_with_one_mask_are_refused(read: Reader, truth: tuple[str, ...]) -> None:
    with pytest.raises(
        UserError, match=r"a mask of its own, but 0\.jpg and 0\.png in .*part/test/spot would both have 0"
    ):
        read(*FILES, *truth, "test/spot/0.jpg")


def test_linked_folders_count_once_and_lead_nowhere_else(read: Reader, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "7.png").touch()
    read(*FILES)
    part = tmp_path / "part"
    (part / "train/good/more").symlink_to(elsewhere)
    (part / "train/good/again").symlink_to(elsewhere)
    (part / "test/spot/up").symlink_to(part / "test")
    (elsewhere / "round").symlink_to(elsewhere)
    images = read()
    assert paths(images) == {*FILES, "train/good/again/7.png"}
