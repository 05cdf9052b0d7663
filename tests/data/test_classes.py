"""Records of images and classes: what they refuse, whatever layout they come from."""

import dataclasses
from pathlib import Path

import pytest

from adtrack.data.classes import GOOD, ImageClass, ImageRecord, Places
from adtrack.errors import UserError

PLACES = Places("here", "there", "elsewhere")


def an_image_class(*test: ImageRecord) -> ImageClass:
    return ImageClass("tile", Path("/data"), (ImageRecord("a.png", 0, GOOD),), test, PLACES)


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/0.png", "tile/../../0.png"])
def test_a_record_stays_below_the_root(path: str) -> None:
    with pytest.raises(UserError, match="must stay below the data root"):
        ImageRecord(path, 0, "good")
    with pytest.raises(UserError, match="must stay below the data root"):
        ImageRecord("tile/0.png", 1, "crack", path)


def test_all_records_of_a_class() -> None:
    images = an_image_class(ImageRecord("b.png", 1, "dent"))
    assert [record.path for record in images.records] == ["a.png", "b.png"] and images.has_anomalies
    with_val = dataclasses.replace(images, val=(ImageRecord("c.png", 1, "dent"),), test=())
    assert [record.path for record in with_val.records] == ["a.png", "c.png"] and with_val.has_anomalies
    assert not an_image_class().has_anomalies and not images.has_masks


def test_an_image_is_listed_once() -> None:
    with pytest.raises(UserError, match=r"listed once, but class tile lists a\.png again"):
        an_image_class(ImageRecord("a.png", 0, GOOD))


def test_images_to_learn_from_are_good() -> None:
    with pytest.raises(UserError, match=r"must be good, but b\.png is labelled anomalous"):
        dataclasses.replace(an_image_class(), train=(ImageRecord("b.png", 1, "dent"),))


def test_all_anomalous_images_have_masks_or_none() -> None:
    masked, bare = ImageRecord("b.png", 1, "dent", "b_mask.png"), ImageRecord("c.png", 1, "dent")
    assert an_image_class(masked).has_masks and not an_image_class(bare).has_masks
    with pytest.raises(UserError, match=r"must have a mask if any has one, but c\.png has none"):
        an_image_class(masked, bare)
