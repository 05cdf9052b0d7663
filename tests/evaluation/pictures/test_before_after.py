"""Pairs before and after: which images are chosen, what is done to them, and how they are told."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.data.classes import ImageRecord
from adtrack.data.layouts import read_class
from adtrack.data.reading import Reading
from adtrack.data.shift import LINEAR, RADIAL, Shift, draw_shift
from adtrack.data.transform import shift_image, shift_mask
from adtrack.evaluation.pictures.before_after import SIDE, PairRow, pair_rows, pair_sheet
from adtrack.evaluation.pictures.heatmaps import CONTOUR, outline
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.evaluation.shift_kinds import KINDS

TITLES = [kind.title for kind in KINDS]


@pytest.fixture(scope="module")
def shifts(tiny_data: Path) -> dict[ImageRecord, Shift]:
    images = read_class(tiny_data, "part")
    return {record: draw_shift(record.path, 42) for record in images.train + images.test}


@pytest.fixture(scope="module")
def rows(tiny_data: Path, shifts: dict[ImageRecord, Shift]) -> dict[str, PairRow]:
    return {row.title: row for row in pair_rows(tiny_data, shifts, Reading())}


def kind_of(title: str):
    return KINDS[TITLES.index(title)]


def named(record: ImageRecord) -> str:
    return f"{record.kind}/{Path(record.path).stem}"


def test_the_kinds_together_are_the_whole_shift() -> None:
    single = {name for kind in KINDS[:-1] for name in kind.fields}
    assert single == {field.name for field in dataclasses.fields(Shift)} == set(KINDS[-1].fields)
    shift = draw_shift("a.png", 42)
    assert KINDS[-1].alone(shift) == shift
    for kind in KINDS[:-1]:
        alone = dataclasses.asdict(kind.alone(shift))
        for name, value in alone.items():
            assert value == getattr(shift if name in kind.fields else Shift(), name)


def test_examples_are_the_ends_among_the_defects_and_a_good_one_between(rows, shifts) -> None:
    angles = sorted((shift.angle, named(record)) for record, shift in shifts.items() if record.mask)
    good = sorted((shift.angle, named(record)) for record, shift in shifts.items() if not record.label)
    assert [pair.name for pair in rows["Rotation"].pairs] == [angles[0][1], good[len(good) // 4][1], angles[-1][1]]
    assert rows["Rotation"].share == "all 22 images"


def test_light_is_shown_on_the_images_that_have_it(rows, shifts) -> None:
    for form, ends in (("linear", LINEAR), ("radial", RADIAL)):
        having = [named(record) for record, shift in shifts.items() if shift.illumination in ends]
        row = rows[f"Illumination, {form}"]
        assert row.share == f"{len(having)} of 22 images" and {pair.name for pair in row.pairs} <= set(having)


def test_a_kind_that_no_image_has_is_left_out(tiny_data: Path, shifts) -> None:
    unlit = {record: dataclasses.replace(shift, illumination="none") for record, shift in list(shifts.items())[:2]}
    assert [row.title for row in pair_rows(tiny_data, unlit, Reading())] == [
        name for name in TITLES if "Illum" not in name
    ]


@pytest.mark.parametrize("title", ["Rotation", "Brightness", "All together"])
def test_pictures_are_the_image_before_and_after_this_kind_with_the_masks_line(
    rows, shifts, tiny_data: Path, title: str
) -> None:
    by_name = {named(record): record for record in shifts}
    for pair in rows[title].pairs:
        record = by_name[pair.name]
        image, mask = np.asarray(Image.open(tiny_data / record.path)), np.zeros((64, 64), bool)
        if record.mask:
            mask = np.asarray(Image.open(tiny_data / record.mask)) > 0
        alone = kind_of(title).alone(shifts[record])
        for picture, (pixels, plane) in (
            (pair.before, (image, mask)),
            (pair.after, (shift_image(image, alone), shift_mask(mask, alone))),
        ):
            np.testing.assert_array_equal(picture, outline(fit(pixels, SIDE), fit_mask(plane, SIDE), width=2))
            assert (picture == CONTOUR).all(axis=2).any() == (record.mask is not None)


def test_noise_is_shown_enlarged_where_the_defect_is(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    image, mask = draws.integers(0, 256, (300, 400, 3), dtype=np.uint8), np.zeros((300, 400), np.uint8)
    mask[280:290, 10:20] = 255
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    record = ImageRecord("a.png", 1, "spot", "mask.png")
    rows = {row.title: row for row in pair_rows(tmp_path, {record: draw_shift("a.png", 42)}, Reading())}
    (pair,) = rows["Noise"].pairs
    part = image[204:300, 0:96]  # half of SIDE, moved inside
    marked = (pair.before == CONTOUR).all(axis=2)
    assert marked.any() and pair.before.shape == pair.after.shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(pair.before[~marked], part.repeat(2, axis=0).repeat(2, axis=1)[~marked])


def test_words() -> None:
    shift = dataclasses.replace(
        Shift(), angle=-7.26, translate_y=-0.031, translate_x=0.01, brightness=0.8, blur_kernel=5
    )
    shift = dataclasses.replace(shift, illumination="left", illumination_depth=0.55, noise_sigma=0.03, crop_width=0.95)
    told = {kind.title: kind.words(shift) for kind in KINDS}
    assert told["Rotation"] == "7.3° clockwise"
    assert told["Resized crop"] == "95.0% of the width, 100.0% of the height"
    assert told["Translation"] == "3.1% up, 1.0% to the right"
    assert told["Brightness"] == "factor 0.80" and told["Contrast"] == "factor 1.00"
    assert told["Blur"] == "Gaussian kernel of 5 pixels"
    assert told["Illumination, linear"] == "55% darker at the left"
    assert told["Noise"] == "sigma 0.030 of the full range"
    assert all(words in told["All together"] for words in ("7.3° clockwise", "55% darker at the left", "noise 0.030"))


def test_the_sheet_shows_all_pairs(rows) -> None:
    sheet = pair_sheet(list(rows.values()), "part")
    assert sheet.dtype == np.uint8 and sheet.shape[1] > 6 * SIDE
    place = np.flatnonzero((sheet == rows["Rotation"].pairs[0].before[0, 0]).all(axis=2)[:, 12])
    assert any(
        np.array_equal(sheet[top : top + SIDE, 12 : 12 + SIDE], rows["Rotation"].pairs[0].before) for top in place
    )
