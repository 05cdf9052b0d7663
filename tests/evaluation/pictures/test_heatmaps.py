"""adtrack.evaluation.pictures.heatmaps: colours where the heat is, and nowhere else."""

import numpy as np
import pytest

from adtrack.detectors.calibration import ColourRange
from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import (
    CONTOUR,
    OPACITY,
    RAMP,
    outline,
    overlay,
)

RANGE = ColourRange(10.0, 20.0)
GREY = np.full((16, 24, 3), 90, dtype=np.uint8)


def spot(row: int, column: int, peak: float = 20.0) -> np.ndarray:
    anomaly_map = np.full(GREY.shape[:2], 10.0, dtype=np.float32)
    anomaly_map[row, column] = peak
    return anomaly_map


def test_ramp_gets_steadily_brighter():
    assert RAMP.shape == (256, 3) and RAMP.dtype == np.uint8
    linear = (RAMP / 255.0) ** 2.2
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -1e-9).all() and luminance[0] < 0.01 and luminance[-1] > 0.9


def test_the_ends_of_the_range_have_the_ends_of_the_ramp():
    anomaly_map = np.array([[10.0, 20.0, -5.0, 99.0, 15.0]])
    picture = overlay(np.zeros((1, 5, 3), np.uint8), anomaly_map, RANGE)
    steps = [0, 255, 0, 255, 128]
    assert picture.dtype == np.uint8
    assert np.array_equal(picture[0], np.rint(RAMP[steps] * OPACITY[steps][:, None]))


def test_overlay_colours_the_hot_pixel_and_no_other():
    picture = overlay(GREY, spot(3, 5), RANGE)
    changed = (picture != GREY).any(axis=-1)
    assert picture.shape == GREY.shape and picture.dtype == np.uint8
    assert np.argwhere(changed).tolist() == [[3, 5]]
    assert np.abs(picture[3, 5].astype(int) - RAMP[255]).max() < 50  # nearly the ramp's bright end


def test_equal_distances_look_alike_in_different_images():
    weak, strong = spot(3, 5, peak=15.0), spot(3, 5, peak=15.0)
    strong[10:, 10:] = 40.0
    assert np.array_equal(overlay(GREY, weak, RANGE)[3, 5], overlay(GREY, strong, RANGE)[3, 5])
    assert np.array_equal(overlay(GREY, weak, RANGE)[:8], overlay(GREY, strong, RANGE)[:8])


@pytest.mark.filterwarnings("error")
def test_what_the_network_did_not_see_gets_no_heat():
    image = np.random.default_rng(0).integers(0, 256, GREY.shape, dtype=np.uint8)
    anomaly_map = np.full(GREY.shape[:2], 20.0)
    anomaly_map[:, :4] = np.nan
    border = overlay(image, anomaly_map, RANGE)[:, :4]
    assert (border == border[..., :1]).all()  # grey
    assert (border <= image[:, :4].max(axis=-1, keepdims=True)).all()
    assert (overlay(image, anomaly_map, RANGE)[:, 4:] != image[:, 4:]).any(axis=-1).all()


def test_outline_runs_around_the_defect_and_leaves_it_visible():
    mask = np.zeros(GREY.shape[:2], dtype=np.uint8)
    mask[5:8, 10:14] = 255
    drawn = (outline(GREY, mask) == CONTOUR).all(axis=-1)
    expected = np.zeros_like(drawn)
    expected[4:9, 9:15] = True
    expected[5:8, 10:14] = False
    assert np.array_equal(drawn, expected)


def test_outline_of_a_whole_image_and_of_an_empty_mask():
    whole = (outline(GREY, np.ones(GREY.shape[:2])) == CONTOUR).all(axis=-1)
    assert whole[0].all() and whole[:, -1].all() and not whole[1:-1, 1:-1].any()
    assert np.array_equal(outline(GREY, np.zeros(GREY.shape[:2])), GREY)


def test_other_sizes_are_refused_with_both():
    with pytest.raises(UserError, match=r"anomaly map .*\(16, 24, 3\) and \(16, 23\)"):
        overlay(GREY, np.zeros((16, 23)), RANGE)
    with pytest.raises(UserError, match=r"mask .*\(16, 24\) and \(16, 24\)"):
        outline(GREY[..., 0], np.zeros((16, 24)))


@pytest.mark.parametrize("colours", [ColourRange(0.0, 1.0), ColourRange(0.3, 0.31)])
def test_an_overlay_is_the_blend_of_image_and_ramp_rounded(colours: ColourRange) -> None:
    draws = np.random.default_rng(0)
    image = draws.integers(0, 256, (90, 80, 3), dtype=np.uint8)
    anomaly_map = draws.uniform(-0.2, 1.5, (90, 80)).astype(np.float32)
    step = np.rint(colours.level(anomaly_map) * 255).astype(np.uint8)
    blended = image * (1 - OPACITY)[step][..., None] + (RAMP * OPACITY[:, None])[step]
    assert np.array_equal(overlay(image, anomaly_map, colours), np.rint(blended).astype(np.uint8))
