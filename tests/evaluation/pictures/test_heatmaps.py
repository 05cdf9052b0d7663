"""adtrack.evaluation.pictures.heatmaps: colours where the heat is, and nowhere else."""

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import (
    CONTOUR,
    RAMP,
    UNSEEN,
    ColourRange,
    colour_range,
    colourise,
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


def test_colourise_maps_the_ends_of_the_range_to_the_ends_of_the_ramp():
    picture = colourise(np.array([[10.0, 20.0, -5.0, 99.0, 15.0]]), RANGE)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture[0], RAMP[[0, 255, 0, 255, 128]])


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
    assert np.array_equal(colourise(weak, RANGE)[:8], colourise(strong, RANGE)[:8])


@pytest.mark.filterwarnings("error")
def test_what_the_network_did_not_see_gets_no_heat():
    image = np.random.default_rng(0).integers(0, 256, GREY.shape, dtype=np.uint8)
    anomaly_map = np.full(GREY.shape[:2], 20.0)
    anomaly_map[:, :4] = np.nan
    assert (colourise(anomaly_map, RANGE)[:, :4] == UNSEEN).all()
    border = overlay(image, anomaly_map, RANGE)[:, :4]
    assert (border == border[..., :1]).all()  # grey
    assert (border <= image[:, :4].max(axis=-1, keepdims=True)).all()
    assert (overlay(image, anomaly_map, RANGE)[:, 4:] != image[:, 4:]).any(axis=-1).all()


def test_range_from_quantiles_of_normal_and_of_all():
    rng = np.random.default_rng(0)
    normal = [rng.normal(10, 1, (50, 40)) for _ in range(5)]
    hot = [plane.copy() for plane in normal]
    for plane in hot:
        plane[:5, :5] = 30.0
    colours = colour_range(normal, normal + hot)
    assert colours.low == np.quantile(np.concatenate(normal), 0.5)
    assert colours.high == np.quantile(np.concatenate(normal + hot), 0.995) == 30.0


def test_ordinary_texture_stays_in_the_dark_half():
    normal = [np.random.default_rng(0).normal(10, 1, (50, 40))]
    colours = colour_range(normal, normal)
    assert colours.level(np.quantile(normal[0], 0.99)) < 0.5


def test_range_of_constant_maps_rises():
    for value in (0.0, 17.0, -3.0, 1e6):
        colours = colour_range([np.full((4, 4), value)], [np.full((4, 4), value)])
        assert colours.low == value < colours.high


def test_range_leaves_unseen_pixels_out_and_thins_large_maps():
    plane = np.full((1200, 900), np.nan, dtype=np.float32)
    plane[100:-100, 100:-100] = np.random.default_rng(0).normal(10, 1, (1000, 700))
    colours = colour_range([plane], [plane])
    assert colours.low == pytest.approx(10.0, abs=0.05)
    with pytest.raises(UserError, match="the 1 maps hold none"):
        colour_range([np.full((4, 4), np.nan)], [plane])


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_bad_range_is_refused(ends: tuple[float, float]):
    with pytest.raises(UserError, match="must rise"):
        ColourRange(*ends)


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
