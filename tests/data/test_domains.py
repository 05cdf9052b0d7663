"""Domains: MVTec-Shift with a part left out and with a part alone, the corruptions, and what names of sets say."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from adtrack.data import corruptions
from adtrack.data.corruptions import CORRUPTIONS, corrupted
from adtrack.data.domains import FAMILIES
from adtrack.data.imageset import ImageSet, draw_names, image_set, parse_name
from adtrack.data.shift import PARTS, Shift, draw_seed, draw_shift
from adtrack.data.splits import Splits
from adtrack.data.transform import shift_image, shift_mask
from adtrack.data.wide import widened
from adtrack.errors import UserError


@pytest.fixture
def named(tiny_splits: Splits, tiny_data: Path):
    """Opens the image set of this name."""
    return lambda name: image_set(tiny_splits, tiny_data, *parse_name(name))


def test_the_parts_of_a_shift_are_all_of_it() -> None:
    names = [name for part in PARTS.values() for name in part]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(Shift))


def test_a_part_alone_and_the_rest_make_the_shift() -> None:
    shift = draw_shift("a.png", 42)
    for names in PARTS.values():
        alone, rest = shift.only(names), shift.without(names)
        assert {name: getattr(alone, name) for name in names} == {name: getattr(shift, name) for name in names}
        assert alone.without(names) == rest.only(names) == Shift()
        assert dataclasses.replace(rest, **{name: getattr(alone, name) for name in names}) == shift


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_is_a_domain(kind: str, named) -> None:
    clean, images = named("test_clean"), named(f"test_{kind}")
    assert images.name == f"test_{kind}" and parse_name(images.name) == ("test", kind, 1.0)
    for index, record in enumerate(clean.records):
        np.testing.assert_array_equal(images.image(index), corrupted(clean.image(index), kind, record.path, 42))
        np.testing.assert_array_equal(images.mask(index), clean.mask(index))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("severity", [1.0, 0.5])
def test_a_part_of_the_shift_is_left_out_or_alone(part: str, severity: float, named) -> None:
    clean, at = named("test_clean"), "" if severity == 1 else "@0.5"
    without, alone = (named(f"test_shift_{word}_{part}{at}") for word in ("without", "only"))
    assert without.name == f"test_shift_without_{part}{at}" and alone.name == f"test_shift_only_{part}{at}"
    for index, record in enumerate(clean.records):
        shift = draw_shift(record.path, 42, severity)
        for images, part_of_it in ((without, shift.without(PARTS[part])), (alone, shift.only(PARTS[part]))):
            np.testing.assert_array_equal(images.image(index), shift_image(clean.image(index), part_of_it))
            np.testing.assert_array_equal(images.mask(index), shift_mask(clean.mask(index), part_of_it))


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_of_train_come_from_a_family(family: str, named) -> None:
    images, clean = named(draw_names(2, 0.5, family)[1]), named("train_clean")
    record, part, seed = clean.records[0], family.partition("_without_")[2], draw_seed(42, 2)
    image, shift = clean.image(0), draw_shift(record.path, seed, 0.5).without(PARTS.get(part, ()))
    if "wide" in family:
        image = widened(image, record.path, seed, 0.5, part)
    np.testing.assert_array_equal(images.image(0), shift_image(image, shift))


def test_every_domain_has_a_digest_of_its_own(named) -> None:
    parts = [f"shift_{word}_{part}" for part in PARTS for word in ("without", "only")]
    draws = [f"draw1{family.removeprefix('shift')}" for family in FAMILIES]
    assert len({named(f"train_{name}").digest for name in (*draws, "clean", "draw2")}) == len(FAMILIES) + 2
    names = [*CORRUPTIONS, *parts, "clean", "shift", "shift@2", "shift_only_blur@2", "shift_without_blur@2"]
    assert len({named(f"test_{name}").digest for name in names}) == len(names)


def test_the_digest_names_the_version_of_a_corruption(named, monkeypatch: pytest.MonkeyPatch) -> None:
    before = named("test_jpeg").digest
    newer = dataclasses.replace(CORRUPTIONS["jpeg"], version=2)
    monkeypatch.setitem(corruptions.CORRUPTIONS, "jpeg", newer)
    assert named("test_jpeg").digest != before


def test_the_digest_depends_on_the_seed(named) -> None:
    images: ImageSet = named("test_shadow")
    assert dataclasses.replace(images, shift_seed=43).digest != images.digest


@pytest.mark.parametrize(
    "name",
    [
        "test_jpeg@1",
        "test_shift_without_",
        "test_shift_only_hue",
        "test_only_blur",
        "test_blur",
        "test_shift@2_only_blur",
    ],
)
def test_nonsense_is_no_domain(name: str) -> None:
    with pytest.raises(UserError, match="an image set must be called"):
        parse_name(name)
