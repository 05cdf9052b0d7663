"""What Val-clean settles: the threshold, and what the colours of anomaly maps mean."""

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.calibrating import calibrate, colour_range
from adtrack.evaluation.evaluate import ScoredSet


def test_calibration_comes_from_scores_and_maps(scored: ScoredSet) -> None:
    separable = np.array([5.0, 7.0, 1.0, 2.0])  # scratch, spot, good, good
    calibration = calibrate(ScoredSet(scored.images, separable, scored.maps))
    assert calibration.threshold == 3.5  # the middle of the gap
    good = np.concatenate([scored.maps[at].ravel() for at in (2, 3)])
    assert calibration.colours.low == pytest.approx(np.median(good), abs=0.02)
    assert calibration.colours.high > np.quantile(good, 0.995)


def test_good_images_alone_calibrate_by_a_quantile(scored: ScoredSet, good_images: ScoredSet) -> None:
    good = good_images
    calibration = calibrate(good, 0.5)
    assert calibration.threshold == 2.0 and calibrate(good).threshold == 3.0
    maps = np.concatenate([plane.ravel() for plane in good.maps])
    assert calibration.colours.low == pytest.approx(np.median(maps), abs=0.02)
    assert calibration.colours.high > maps.max()  # ordinary texture stays in the darker half
    assert calibrate(scored, 0.5) == calibrate(scored, 0.9)  # where anomalies are labelled the quantile does not count


def test_without_maps_there_are_no_colours(scored: ScoredSet) -> None:
    found = calibrate(ScoredSet(scored.images, scored.scores, None))
    assert found.colours is None and found.threshold == calibrate(scored).threshold


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
