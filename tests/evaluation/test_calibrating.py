"""What Val settles: the threshold, and what the colours of anomaly maps mean."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from adtrack.errors import UserError
from adtrack.evaluation.calibrating import calibrate, colour_range, find_threshold
from adtrack.evaluation.evaluate import ScoredSet
from adtrack.evaluation.thresholds import expected_false_alarms, f1_threshold
from adtrack.threshold_spec import ThresholdSpec

CLEAN = ThresholdSpec("val_clean")


def test_calibration_comes_from_scores_and_maps(scored: ScoredSet) -> None:
    separable = np.array([5.0, 7.0, 1.0, 2.0])  # scratch, spot, good, good
    calibration = calibrate({"val_clean": ScoredSet(scored.images, separable, scored.maps)}, CLEAN)
    assert calibration.threshold == 3.5  # the middle of the gap
    good = np.concatenate([scored.maps[at].ravel() for at in (2, 3)])
    assert calibration.colours.low == pytest.approx(np.median(good), abs=0.02)
    assert calibration.colours.high > np.quantile(good, 0.995)


def test_good_images_alone_calibrate_by_a_quantile(scored: ScoredSet, good_images: ScoredSet) -> None:
    good, half = good_images, ThresholdSpec("val_clean", good_quantile=0.5)
    calibration = calibrate({"val_clean": good}, half)
    assert calibration.threshold == 2.0 and calibrate({"val_clean": good}, CLEAN).threshold == 3.0
    maps = np.concatenate([plane.ravel() for plane in good.maps])
    assert calibration.colours.low == pytest.approx(np.median(maps), abs=0.02)
    assert calibration.colours.high > maps.max()  # ordinary texture stays in the darker half
    # Where anomalies are labelled the quantile does not count.
    assert calibrate({"val_clean": scored}, half) == calibrate({"val_clean": scored}, CLEAN)


def test_without_labelled_anomalies_the_best_f1_is_refused(good_images: ScoredSet) -> None:
    with pytest.raises(UserError, match="threshold_from f1 needs labelled anomalies, but there are only good images"):
        calibrate({"val_clean": good_images}, ThresholdSpec("val_clean", "f1"))


@pytest.fixture
def both(scored: ScoredSet) -> dict[str, ScoredSet]:
    """Both sets of Val: scratch, spot, good, good; all score higher under the shift."""
    values = {"val_clean": [5.0, 7.0, 1.0, 2.0], "val_shift": [9.0, 8.0, 4.0, 6.0]}
    return {name: ScoredSet(scored.images, np.array(scores), scored.maps) for name, scores in values.items()}


def test_the_best_f1_is_that_of_both_sets_together(both: dict[str, ScoredSet]) -> None:
    scores, labels = (np.array(values) for values in ([5, 7, 1, 2, 9, 8, 4, 6], [1, 1, 0, 0, 1, 1, 0, 0]))
    found = find_threshold(both, ThresholdSpec())
    assert found == f1_threshold(scores, labels) == 4.5  # one false alarm; at 6.5 one defect would be missed
    assert find_threshold(both, CLEAN) == 3.5 and find_threshold(both, ThresholdSpec("val_shift")) == 7.0
    assert find_threshold(dict(reversed(both.items())), ThresholdSpec("both")) == found


def test_by_mean_and_deviation_the_higher_threshold_of_the_sets_counts(
    both: dict[str, ScoredSet], good_images: ScoredSet
) -> None:
    rule = ThresholdSpec(threshold_from="mean_std")
    assert (
        find_threshold(both, rule) == 5 + 2 * 1 and find_threshold(both, replace(rule, calibrate_on="val_clean")) == 2.5
    )
    good = calibrate({"val_clean": good_images}, rule)
    assert good.threshold == pytest.approx(good_images.scores.mean() + 2 * good_images.scores.std())


@pytest.mark.parametrize("calibrate_on", ["both", "val_clean", "val_shift"])
def test_by_quantile_the_share_of_the_good_images_passes_in_each_set(
    both: dict[str, ScoredSet], calibrate_on: str
) -> None:
    spec = ThresholdSpec(calibrate_on, "good_quantile", 0.5)
    assert find_threshold(both, spec) == {"both": 5.0, "val_clean": 1.5, "val_shift": 5.0}[calibrate_on]
    lowered = {**both, "val_shift": ScoredSet(both["val_shift"].images, both["val_shift"].scores - 8, None)}
    assert find_threshold(lowered, spec) == {"both": 1.5, "val_clean": 1.5, "val_shift": -3.0}[calibrate_on]


@pytest.mark.parametrize("drift", [0.0, 0.5, 4.0])
def test_no_domain_has_more_false_alarms_than_promised(scored: ScoredSet, drift: float) -> None:
    """Simulated parts of 40 photos each, whose scores rise by ``drift`` and by noise of their own under the shift."""
    draws, count, spec = np.random.default_rng(0), 40, ThresholdSpec("both", "good_quantile", 0.95)
    good = replace(scored.images, records=tuple([scored.images.records[int(np.argmin(scored.images.labels))]] * count))
    shares = []
    for _ in range(300):
        clean = draws.normal(size=count)
        shifted = 0.6 * clean + 0.8 * draws.normal(size=count) + drift
        sets = {"val_clean": ScoredSet(good, clean, None), "val_shift": ScoredSet(good, shifted, None)}
        threshold = find_threshold(sets, spec)
        shares.append([norm.sf(threshold), norm.sf(threshold - drift)])
    worse, promised = np.max(shares, axis=1), expected_false_alarms(count, 0.95)
    assert worse.mean() < promised.value * 1.05 and (worse > promised.high).mean() < 0.05
    assert worse.mean() > promised.value / 2  # the promise is no empty one


def test_the_colours_come_from_the_first_set(both: dict[str, ScoredSet], scored: ScoredSet) -> None:
    brighter = [plane + 1 for plane in scored.maps]
    sets = {**both, "val_shift": ScoredSet(scored.images, both["val_shift"].scores, brighter)}
    assert calibrate(sets, ThresholdSpec()).colours == calibrate(sets, CLEAN).colours
    assert calibrate(sets, ThresholdSpec("val_shift")).colours != calibrate(sets, CLEAN).colours


def test_without_maps_there_are_no_colours(scored: ScoredSet) -> None:
    found = calibrate({"val_clean": ScoredSet(scored.images, scored.scores, None)}, CLEAN)
    assert found.colours is None and found.threshold == calibrate({"val_clean": scored}, CLEAN).threshold


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


def test_good_scores_are_kept_and_the_margin_is_that_of_the_domains_from_their_own_medians(
    both: dict[str, ScoredSet],
) -> None:
    clean = calibrate(both, CLEAN)
    assert clean.good.scores == {"val_clean": (1.0, 2.0)}
    assert clean.good.margin == clean.threshold - 1.5  # one domain: the distance of threshold and median
    assert clean.good.threshold is None
    two = calibrate(both, ThresholdSpec("both")).good
    assert two.scores == {"val_clean": (1.0, 2.0), "val_shift": (4.0, 6.0)}
    # From their medians 1.5 and 5, the good ones lie at -1 … 1 and the anomalous ones at 3 … 5.5: no error is left.
    assert two.margin == 2.0 and two.threshold == calibrate(both, ThresholdSpec("both")).threshold
    by_quantile = calibrate(both, ThresholdSpec("both", "good_quantile", 0.9)).good
    assert by_quantile.margin == 1.0  # the higher one of 0.5 and 1
