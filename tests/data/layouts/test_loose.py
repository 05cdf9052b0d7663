"""Good images that lie anywhere: a folder or a list of files becomes a class."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data.checking import check_images
from adtrack.data.imageset import image_set
from adtrack.data.layouts import read_class
from adtrack.data.layouts.loose import loose_images
from adtrack.data.splits import make_splits
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.evaluation.building import build
from adtrack.evaluation.opened_class import ListedClass
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import Backbone
from adtrack.features.weights import load_trunk


@pytest.fixture
def good(tiny_data: Path) -> Path:
    return tiny_data / "part/train/good"


def test_a_folder_of_good_images(good: Path) -> None:
    images = loose_images(good, "nuts")
    assert (images.name, images.root, images.test, images.remarks) == ("nuts", good, (), ())
    assert [record.path for record in images.train] == [f"{number:03}.png" for number in range(10)]
    assert loose_images(str(good), "nuts") == images


def test_the_files_of_a_list_are_named_from_the_folder_that_holds_all(tiny_data: Path, tmp_path: Path) -> None:
    files = [tiny_data / "part/test/good/001.png", tiny_data / "part/train/good/000.png"]
    images = loose_images([*files, str(files[0])], "nuts")
    assert images.root == tiny_data / "part"
    assert [record.path for record in images.train] == ["test/good/001.png", "train/good/000.png"]
    assert loose_images(files[:1], "nuts").train[0].path == "001.png"


def test_relative_paths_count_from_the_working_directory(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(good)
    assert loose_images(["../good/001.png", "000.png"], "nuts") == loose_images(
        [good / "000.png", good / "001.png"], "nuts"
    )


def test_they_are_split_checked_and_read_as_a_classs(good: Path, tiny_data: Path) -> None:
    images = loose_images(good, "part")
    checked = check_images(images.root, images.records)
    splits = make_splits(images, 42, checked)
    assert [len(split.records) for split in splits.all] == [8, 2, 0] and not splits.has_anomalies
    assert splits.digest == make_splits(images, 42, checked).digest != make_splits(images, 43, checked).digest
    listed = read_class(tiny_data, "part")
    contents = check_images(tiny_data, listed.records).contents
    train = image_set(splits, images.root, "train", "clean")
    assert train.image(0).shape == (64, 64, 3)
    assert {train.contents[record.path] for record in train.records} <= set(contents.values())


def test_a_model_can_be_built_of_them(good: Path) -> None:
    layers = ("layer1",)
    opened = ListedClass(DataSpec("nuts", str(good)), loose_images(good, "nuts")).open()
    backbone = Backbone(load_trunk(BackboneSpec("resnet18", "random", 1), layers, "/data"), layers, torch.device("cpu"))
    built = build(Workbench(opened, backbone, ImageSpec(64, 0)), PatchCoreSpec(layers=layers), ("val_clean",))
    assert np.isfinite(built.scorer.calibration.threshold) and built.scorer.facts["class"] == "nuts"


def test_few_images_are_refused_by_the_name_of_their_place(good: Path) -> None:
    images = loose_images([good / "000.png", good / "001.png"], "nuts")
    with pytest.raises(UserError, match="each get a normal image, but the list of images holds 2"):
        make_splits(images, 42, check_images(images.root, images.records))


def test_what_is_no_folder_of_images_is_named(good: Path, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must lie in a folder, but .*nowhere does not exist"):
        loose_images(tmp_path / "nowhere", "nuts")
    with pytest.raises(UserError, match=r"must lie in a folder, but .*000\.png is a file"):
        loose_images(good / "000.png", "nuts")
    with pytest.raises(UserError, match=r"must hold good images, but .* has none.*It takes \.png"):
        loose_images(tmp_path, "nuts")


def test_a_data_set_is_not_taken_for_good_images(tiny_data: Path) -> None:
    for folder in (tiny_data, tiny_data / "part"):
        with pytest.raises(UserError, match=r"good images and nothing else, but .* is a data set or one"):
            loose_images(folder, "nuts")


def test_a_list_must_name_files(good: Path) -> None:
    with pytest.raises(UserError, match="must name some, but it is empty"):
        loose_images([], "nuts")
    with pytest.raises(UserError, match=r"must be files, but .*999\.png does not exist"):
        loose_images([good / "000.png", good / "999.png"], "nuts")
    with pytest.raises(UserError, match=r"must be files, but .*good is a folder"):
        loose_images([good], "nuts")
