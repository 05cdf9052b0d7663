"""What is said of how files were read: depth, orientation, and masks that look wrong."""

import pytest

from adtrack.data.checked import CheckedImages, MaskFacts
from adtrack.data.reading import Reading
from adtrack.data.remarks import remarks


def masks(*shares: float, dark: float = 0.0) -> CheckedImages:
    return CheckedImages(
        {}, masks={f"{number}_mask.png": MaskFacts(share, dark, True) for number, share in enumerate(shares)}
    )


def test_nothing_is_said_of_plain_files() -> None:
    assert remarks(masks(0.1, 0.5), "tile") == []


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "In 1 mask (0_mask.png) of class tile no pixel is marked."),
        (1.0, "In 1 mask (0_mask.png) of class tile the whole image is marked."),
        (0.97, "In 1 mask (0_mask.png) of class tile more than half of the image is marked: is the background white?"),
    ],
)
def test_masks_that_look_wrong_are_named(share: float, said: str) -> None:
    assert remarks(masks(share, 0.1), "tile") == [said]


def test_many_are_counted_and_some_named() -> None:
    (said,) = remarks(masks(*[0.9] * 5), "tile")
    assert said.startswith("In 5 masks (0_mask.png, 1_mask.png, 2_mask.png and 2 more) of class tile more than half")


def test_grey_areas_that_do_not_count_are_told() -> None:
    (said,) = remarks(masks(0.1, dark=0.02), "tile")
    assert said.startswith("In 1 mask (0_mask.png) of class tile areas of even grey do not count")


def test_depth_and_orientation_are_told() -> None:
    said = remarks(CheckedImages({}, Reading(12), 4080, ("a.jpg", "b.jpg")), "tile")
    assert said[0] == (
        "Images of class tile with 16 bits a channel are read as 12-bit data: their largest value is 4080. "
        "Where a bank or a shifted copy is made, --bit-depth says it otherwise."
    )
    assert said[1] == (
        "2 images (a.jpg, b.jpg) of class tile have an orientation tag: such images are read as a viewer shows them."
    )


@pytest.mark.parametrize(
    ("upright", "said"), [(True, "take the tags away"), (False, "do not fit: build the bank anew")]
)
def test_how_masks_must_be_drawn_on_turned_images_is_told(upright: bool, said: str) -> None:
    facts = {"a_mask.png": MaskFacts(0.1, 0.0, True)}
    (found,) = remarks(CheckedImages({}, Reading(None, upright), turned=("a.jpg",), masks=facts), "tile")
    assert said in found
    assert remarks(CheckedImages({}, Reading(), turned=("a_mask.png",), masks=facts), "tile") == []
