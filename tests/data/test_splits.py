"""Splits: shares, what they depend on and what not, manifest and digest."""

import dataclasses
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from adtrack.data.checked import CheckedImages, MaskFacts
from adtrack.data.classes import GOOD, ImageClass, ImageRecord, Places
from adtrack.data.layouts import read_class
from adtrack.data.layouts.mvtec import mvtec_places
from adtrack.data.reading import Reading
from adtrack.data.splits import Splits, make_splits
from adtrack.errors import UserError

COUNTS = {"crack": 10, "fray": 5, "hole": 1}


def image_class(train: int = 100, good: int = 7, counts: dict[str, int] = COUNTS, root: str = "/data") -> ImageClass:
    defects = [
        ImageRecord(f"tile/test/{kind}/{i:03}.png", 1, kind, f"tile/ground_truth/{kind}/{i:03}_mask.png")
        for kind, count in counts.items()
        for i in range(count)
    ]
    normal = [ImageRecord(f"tile/test/good/{i:03}.png", 0, GOOD) for i in range(good)]
    in_train = tuple(ImageRecord(f"tile/train/good/{i:03}.png", 0, GOOD) for i in range(train))
    return ImageClass("tile", Path(root), in_train, tuple(defects + normal), mvtec_places("tile"))


def contents(images: ImageClass) -> dict[str, str]:
    paths = [path for record in images.records for path in (record.path, record.mask) if path]
    return {path: f"sha256 of {path}" for path in paths}


def checked(images: ImageClass, known: dict[str, str] | None = None) -> CheckedImages:
    masks = {record.mask: MaskFacts(0.1, 0.0, True) for record in images.test if record.mask}
    return CheckedImages(known or contents(images), masks=masks)


def split(images: ImageClass, seed: int = 42, train_images: int | None = None, draw: int = 0) -> Splits:
    return make_splits(images, seed, checked(images), train_images, draw)


def test_shares_are_the_protocols() -> None:
    splits = split(image_class())
    kinds = {part.name: Counter(record.kind for record in part.records) for part in (splits.val, splits.test)}
    assert len(splits.train.records) == 80 and not splits.train.labels.any()
    # floor(10 · 0.3 + ½) = 3, floor(5 · 0.3 + ½) = 2, floor(1 · 0.3 + ½) = 0
    assert kinds["val"] == {GOOD: 20, "crack": 3, "fray": 2}
    assert kinds["test"] == {GOOD: 7, "crack": 7, "fray": 3, "hole": 1}
    assert splits.val.labels.dtype == "int64" and splits.val.labels.sum() == 5


def test_every_image_is_in_one_split_and_test_good_in_test_only() -> None:
    images = image_class()
    splits = split(images)
    where = [record for part in (splits.train, splits.val, splits.test) for record in part.records]
    assert sorted(where, key=lambda record: record.path) == sorted(
        images.train + images.test, key=lambda record: record.path
    )
    assert all(record.path.startswith("tile/test/") for record in splits.test.records)
    assert not any(record.path.startswith("tile/test/good/") for record in splits.train.records + splits.val.records)
    for part in (splits.train, splits.val, splits.test):
        assert list(part.records) == sorted(part.records, key=lambda record: record.path)


def test_known_split() -> None:
    """The ranks of sha256("42:…") worked out outside the package with sha256sum | sort."""
    splits = split(image_class(train=5, counts={"crack": 5}))
    assert [record.path[-7:-4] for record in splits.train.records] == ["000", "001", "002", "003"]
    assert [record.path[-7:-4] for record in splits.val.records if record.label] == ["001", "002"]


def test_order_of_the_images_and_place_of_the_root_do_not_count() -> None:
    images = image_class()
    train, test = list(images.train), list(images.test)
    random.Random(0).shuffle(train)
    random.Random(1).shuffle(test)
    shuffled = dataclasses.replace(images, root=Path("/elsewhere"), train=tuple(train), test=tuple(test))
    assert split(shuffled) == split(images)
    assert split(shuffled).digest == split(images).digest


def test_another_kind_of_defect_leaves_the_others_where_they_are() -> None:
    before = split(image_class())
    after = split(image_class(counts={**COUNTS, "dent": 20}))
    assert [record for record in after.val.records if record.kind != "dent"] == list(before.val.records)


def test_seed_changes_the_split() -> None:
    images = image_class()
    assert split(images, 42).val.records != split(images, 43).val.records
    assert split(images, 42).digest != split(images, 43).digest


def test_digest_follows_the_contents_of_images_and_masks() -> None:
    images = image_class()
    digests = {split(images).digest}
    for path in ("tile/train/good/000.png", "tile/test/crack/000.png", "tile/ground_truth/crack/000_mask.png"):
        digests.add(make_splits(images, 42, checked(images, contents(images) | {path: "another"})).digest)
    without_masks = tuple(dataclasses.replace(record, mask=None) for record in images.test)
    digests.add(split(dataclasses.replace(images, test=without_masks)).digest)
    assert len(digests) == 5


def test_digest_says_how_files_are_read_only_if_not_as_they_were_at_first() -> None:
    images = image_class()
    plain, mask = checked(images), "tile/ground_truth/crack/000_mask.png"
    ways = {
        "as before": plain,
        "no file is turned": dataclasses.replace(plain, reading=Reading(None, True)),
        "all 16 bits are used": dataclasses.replace(plain, reading=Reading(16), deepest=65535),
        "turned": dataclasses.replace(plain, turned=("tile/train/good/000.png",)),
        "12 bits": dataclasses.replace(plain, reading=Reading(12), deepest=4080),
        "a mask marks other pixels": dataclasses.replace(plain, masks=plain.masks | {mask: MaskFacts(0.1, 0.0, False)}),
    }
    found = {name: make_splits(images, 42, way) for name, way in ways.items()}
    same = ["as before", "no file is turned", "all 16 bits are used"]
    assert len({found[name].digest for name in same}) == 1 and len({one.digest for one in found.values()}) == 4
    manifest = found["as before"].manifest()
    assert set(manifest) == {"class", "seed", "fractions", "splits"}
    assert set(manifest["splits"]["val"][0]) == {"path", "label", "kind", "sha256", "mask", "mask_sha256"}
    assert found["12 bits"].manifest()["reading"] == {"bits": 12, "upright": False}
    assert found["turned"].reading == Reading(16, True)


@pytest.mark.parametrize("came_with_the_data", [False, True])
def test_fewer_train_images_are_a_nested_choice_and_change_nothing_else(came_with_the_data: bool) -> None:
    images = given(80) if came_with_the_data else image_class()
    whole = split(images)
    few = {count: split(images, train_images=count) for count in (1, 2, 5, 20, 79)}
    names = {count: {record.path for record in splits.train.records} for count, splits in few.items()}
    assert {count: len(paths) for count, paths in names.items()} == {count: count for count in few}
    assert names[1] < names[2] < names[5] < names[20] < names[79] < {record.path for record in whole.train.records}
    for count, splits in few.items():
        assert (splits.val, splits.test, splits.contents) == (whole.val, whole.test, whole.contents)
        assert list(splits.train.records) == sorted(splits.train.records, key=lambda record: record.path)
        assert splits.manifest()["train_images"] == splits.train_images == count
    assert len({whole.digest, *(splits.digest for splits in few.values())}) == 6


def test_the_choice_of_few_train_images_is_the_seeds_and_has_a_number() -> None:
    images = image_class()
    chosen = {split(images, 42, 5, draw).train for draw in range(4)} | {split(images, 43, 5).train}
    assert len(chosen) == 5 and split(images, 42, 5).train in chosen
    assert split(images, 42, 5) == split(images, 42, 5, 0)


def test_as_many_train_images_as_there_are_are_all_of_them() -> None:
    images = image_class()
    whole, told = split(images), split(images, train_images=80, draw=3)
    assert told == whole and told.digest == whole.digest and whole.train_images is None
    with pytest.raises(UserError, match=r"at most the 80 images of Train, but got 81\. .*auto"):
        split(images, train_images=81)


def test_why_there_are_no_pixel_metrics() -> None:
    images = image_class()
    assert split(images).has_masks and split(images).unmarked == ""
    empty = checked(images)
    empty = dataclasses.replace(empty, masks=dict.fromkeys(empty.masks, MaskFacts(0.0, 0.0, True)))
    assert make_splits(images, 42, empty).unmarked == "none of the 16 masks of class tile marks a pixel"
    without = tuple(dataclasses.replace(record, mask=None) for record in images.test)
    assert split(dataclasses.replace(images, test=without)).unmarked == "class tile has no masks (ground_truth)"


def test_manifest_is_plain_data_with_every_image() -> None:
    splits = split(image_class())
    manifest = json.loads(json.dumps(splits.manifest()))
    assert manifest == splits.manifest()
    assert (manifest["class"], manifest["seed"]) == ("tile", 42)
    assert {name: len(rows) for name, rows in manifest["splits"].items()} == {"train": 80, "val": 25, "test": 18}
    row = next(row for row in manifest["splits"]["test"] if row["label"])
    assert row["sha256"] == f"sha256 of {row['path']}" and row["mask_sha256"] == f"sha256 of {row['mask']}"
    assert not any(row["mask_sha256"] for row in manifest["splits"]["train"])


def test_contents_of_other_images_are_left_out() -> None:
    images = image_class()
    assert make_splits(images, 42, checked(images, contents(images) | {"zipper/0.png": "x"})).contents == contents(
        images
    )


@pytest.mark.parametrize("train", [1, 2])
def test_val_needs_a_normal_image(train: int) -> None:
    with pytest.raises(UserError, match=rf"train/good holds {train}.*at least 3"):
        split(image_class(train=train))


def test_val_needs_an_anomalous_image_if_any_is_labelled() -> None:
    with pytest.raises(UserError, match=r"Val must have an anomalous image.*tile/test/<defect>/.*good images alone"):
        split(image_class(counts={"hole": 1, "crack": 1}))


@pytest.mark.parametrize("good", [0, 7])
def test_good_images_alone_are_split_too(good: int) -> None:
    images = image_class(good=good, counts={})
    splits = split(images)
    assert not images.has_anomalies and not splits.has_anomalies and not splits.has_masks
    assert [len(part.records) for part in (splits.train, splits.val, splits.test)] == [80, 20, good]
    labelled = split(image_class())
    assert labelled.has_anomalies and image_class().has_anomalies
    assert splits.train == labelled.train  # defects that come later move no good image
    assert splits.val.records == tuple(record for record in labelled.val.records if not record.label)
    assert splits.digest != labelled.digest


def test_test_needs_a_normal_image() -> None:
    with pytest.raises(UserError, match="Test must have a normal image, but tile/test/good holds none"):
        split(image_class(good=0))


def given(train: int = 4, val: str = "gd", test: str = "ggdd") -> ImageClass:
    """A class that comes with a split: ``g`` is a good image, ``d`` a defect."""

    def records(part: str, labels: str) -> tuple[ImageRecord, ...]:
        return tuple(
            ImageRecord(f"{part}/{number}.png", int(label == "d"), GOOD if label == "g" else "dent")
            for number, label in enumerate(labels)
        )

    places = Places("the list", "the list", "the list")
    parts = (records(part, labels) for part, labels in (("a", train * "g"), ("c", test), ("b", val)))
    in_train, in_test, in_val = parts
    return ImageClass("nut", Path("/data"), in_train, in_test, places, in_val)


def test_a_split_that_the_data_set_brings_is_taken_as_it_is() -> None:
    images = given()
    splits = split(images, 42)
    assert (splits.train.records, splits.val.records, splits.test.records) == (images.train, images.val, images.test)
    assert splits.train == split(images, 7).train and splits.given and splits.has_anomalies
    manifest = splits.manifest()
    assert manifest["given"] is True and "fractions" not in manifest
    assert splits.unmarked == "class nut has no masks"
    moved = dataclasses.replace(images, val=images.val + images.test[:1], test=images.test[1:])
    assert split(moved).digest != splits.digest


def test_a_split_of_good_images_alone_may_lack_a_test() -> None:
    splits = split(given(val="gg", test=""))
    assert not splits.has_anomalies and splits.test.records == ()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (given(train=0), "Train must have a normal image"),
        (given(val="d"), "Val must have a normal image"),
        (given(val="gg"), "Val must have an anomalous image"),
        (given(test="dd"), "Test must have a normal image"),
        (given(test="gg"), "Test must have an anomalous image"),
        (given(val="", test=""), "Val must have a normal image"),
    ],
)
def test_a_split_that_lacks_images_is_refused(images: ImageClass, said: str) -> None:
    with pytest.raises(UserError, match=f"{said}, but the split that comes with class nut gives it none"):
        split(images)


@pytest.mark.shared
def test_magnetic_tile(shared: Path) -> None:
    splits = split(read_class(shared / "data", "magnetic_tile"))
    assert [len(part.records) for part in (splits.train, splits.val, splits.test)] == [610, 271, 463]
    assert [int(part.labels.sum()) for part in (splits.train, splits.val, splits.test)] == [0, 119, 273]
    assert splits.has_masks
