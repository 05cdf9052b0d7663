"""adtrack.evaluation.metrics against scikit-learn, a threshold loop and cases worked by hand."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from adtrack.errors import UserError
from adtrack.evaluation.metrics import aupro, good_metrics, image_metrics, pixel_auroc, pixel_metrics


def slow_aupro(maps: list[np.ndarray], masks: list[np.ndarray], limit: float) -> float:
    """The definition, literally: one threshold after the other, one region after the other."""
    regions, normal = [], np.concatenate([scores[~mask] for scores, mask in zip(maps, masks, strict=True)])
    for scores, mask in zip(maps, masks, strict=True):
        components, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [scores[components == number] for number in range(1, count + 1)]
    curve = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([scores.ravel() for scores in maps]))[::-1]:
        overlap = sum(np.count_nonzero(region >= threshold) / region.size for region in regions) / len(regions)
        curve.append((np.count_nonzero(normal >= threshold) / normal.size, overlap))
    curve.append((1.0, 1.0))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x1 > limit:
            area += (limit - x0) * (y0 + y0 + (y1 - y0) * (limit - x0) / (x1 - x0)) / 2
            break
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def random_case(seed: int, levels: int = 12) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images of different sizes with ties, several regions, touching corners, and defect-free ones."""
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for index in range(5):
        shape = tuple(rng.integers(3, 11, size=2))
        mask = rng.random(shape) < (0.0 if index % 3 == 2 else 0.2)
        maps.append((rng.integers(levels, size=shape) + 3 * mask).astype(np.float32))
        masks.append(mask)
    masks[0][0, 0], masks[2][:] = True, False
    return maps, masks


# Hand-worked case. Two regions by 8-connectivity: A = {9, 7} (diagonal neighbours), B = {8, 5, 5, 2}; 10 normal
# pixels, of which one scores 8, one 6, one 5, the others 1.
HAND_MAP = np.array([[9, 1, 1, 1], [1, 7, 8, 6], [5, 1, 1, 1], [5, 5, 8, 2]], dtype=np.float64)
HAND_MASK = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=np.uint8)
# threshold  A    B    PRO    false positives / FPR
#   9       1/2   0    1/4    0        0
#   8       1/2  1/4   3/8    1        0.1   (a normal 8 ties with B's 8: slant from (0, 1/4))
#   7        1   1/4   5/8    1        0.1
#   6        1   1/4   5/8    2        0.2
#   5        1   3/4   7/8    3        0.3   (slant from (0.2, 5/8))
#   2        1    1     1     3        0.3
# Area to 0.3:  0.1·(1/4 + 3/8)/2 + 0.1·5/8 + 0.1·(5/8 + 7/8)/2 = 0.03125 + 0.0625 + 0.075 = 0.16875
# Area to 0.05: PRO at the cut is 1/4 + (3/8 − 1/4)/2 = 5/16, so 0.05·(1/4 + 5/16)/2 = 0.0140625
# Pixel AUROC, pairs won by each defect pixel of 10: 9 → 10; 8 → 9.5; 7 → 9; 5 → 7.5 twice; 2 → 7: 50.5 of 60.


def test_aupro_by_hand():
    assert aupro([HAND_MAP], [HAND_MASK]) == pytest.approx(0.16875 / 0.3, abs=1e-15)
    assert aupro([HAND_MAP], [HAND_MASK], limit=0.05) == pytest.approx(0.0140625 / 0.05, abs=1e-15)
    assert pixel_auroc([HAND_MAP], [HAND_MASK]) == pytest.approx(50.5 / 60, abs=1e-15)


def test_a_second_good_image_halves_the_false_positive_rate_by_hand():
    # One good image of ten pixels that score 0: 20 normal pixels, FPR 0.05, 0.1, 0.15 instead of 0.1, 0.2, 0.3,
    # and then PRO = 1 from 0.15 to 0.3.
    maps, masks = [HAND_MAP, np.zeros((2, 5))], [HAND_MASK, np.zeros((2, 5))]
    assert aupro(maps, masks) == pytest.approx((0.16875 / 2 + 0.15) / 0.3, abs=1e-15)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_equals_the_threshold_loop(seed: int, limit: float):
    maps, masks = random_case(seed, levels=4 + seed)
    assert aupro(maps, masks, limit) == pytest.approx(slow_aupro(maps, masks, limit), abs=1e-12)


def test_pixel_metrics_share_their_parts_exactly():
    maps, masks = random_case(3)
    assert pixel_metrics(maps, masks) == {
        "pixel_auroc": pixel_auroc(maps, masks),
        "pixel_aupro_030": aupro(maps, masks, 0.3),
        "pixel_aupro_005": aupro(maps, masks, 0.05),
    }


@pytest.mark.parametrize("seed", range(10))
def test_pixel_auroc_equals_scikit_learn(seed: int):
    maps, masks = random_case(seed)
    flat = [np.concatenate([plane.ravel() for plane in planes]) for planes in (masks, maps)]
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(*flat), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_same_bits_in_any_order_of_images_and_of_ties(seed: int):
    maps, masks = random_case(seed, levels=5)
    expected = pixel_metrics(maps, masks)
    order = np.random.default_rng(seed).permutation(len(maps))
    assert pixel_metrics([maps[i] for i in order], [masks[i] for i in order]) == expected
    # Mirrored images keep their regions but meet their ties in another order.
    assert pixel_metrics([plane[::-1, ::-1] for plane in maps], [mask[::-1, ::-1] for mask in masks]) == expected


def test_stack_list_and_precision_make_no_difference():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((4, 9, 7), dtype=np.float32), rng.random((4, 9, 7)) < 0.1
    expected = pixel_metrics(maps, masks)
    assert pixel_metrics(list(maps), list(masks)) == expected
    assert pixel_metrics(maps.astype(np.float64), masks.astype(np.uint8) * 255) == expected
    assert pixel_metrics([maps[0], *maps[1:].astype(np.float64)], masks) == expected


def test_scores_that_only_float64_tells_apart_are_not_ties():
    maps = [np.array([[1.0 + 1e-12, 1.0]])]
    assert pixel_auroc(maps, [np.array([[1, 0]])]) == 1.0
    assert pixel_auroc(maps, [np.array([[0, 1]])]) == 0.0


def test_arguments_are_not_changed():
    maps, masks = np.random.default_rng(0).random((2, 6, 6)), np.zeros((2, 6, 6), bool)
    masks[0, 2:4, 2:4] = True
    before = maps.copy(), masks.copy()
    pixel_metrics(maps, masks)
    assert np.array_equal(maps, before[0]) and np.array_equal(masks, before[1])


def test_perfect_map_gives_one_and_constant_map_half_the_limit():
    _, masks = random_case(1)
    assert aupro([mask.astype(float) for mask in masks], masks) == pytest.approx(1.0, abs=1e-15)
    # A constant map has one threshold: the curve is the diagonal, its area to the limit limit²/2.
    constant = [np.full(mask.shape, 7.0) for mask in masks]
    assert aupro(constant, masks, 0.3) == pytest.approx(0.15, abs=1e-15)
    assert pixel_auroc(constant, masks) == 0.5


def test_a_repeated_good_image_counts_again_and_a_repeated_set_changes_nothing():
    maps, masks = random_case(5)
    good = maps[2]
    assert aupro([*maps, good], [*masks, masks[2]]) == pytest.approx(
        slow_aupro([*maps, good], [*masks, masks[2]], 0.3), abs=1e-12
    )
    assert aupro([*maps, good + 50], [*masks, masks[2]]) < aupro(maps, masks)
    assert aupro(maps + maps, masks + masks) == pytest.approx(aupro(maps, masks), abs=1e-14)


def test_large_and_small_regions_weigh_the_same():
    scores, mask = np.zeros((20, 20)), np.zeros((20, 20), bool)
    mask[:10, :10], mask[15, 15] = True, True
    scores[15, 15] = 1.0
    # The single pixel is found at FPR 0; the rest ties with all normal pixels: from (0, 1/2) straight to (1, 1).
    assert aupro([scores], [mask], 0.3) == pytest.approx((0.5 + 0.65) / 2, abs=1e-15)


def test_one_kind_of_pixel_only_is_nan():
    maps = np.random.default_rng(0).random((2, 4, 4))
    for masks in (np.zeros((2, 4, 4)), np.ones((2, 4, 4))):
        assert all(np.isnan(value) for value in pixel_metrics(maps, masks).values())
    assert np.isnan(aupro([], []))


def test_bad_maps_are_refused():
    maps, masks = np.zeros((3, 4, 4)), np.ones((3, 4, 4))
    for wrong in (np.nan, np.inf, -np.inf):
        broken = maps.copy()
        broken[1, 2, 3] = wrong
        with pytest.raises(UserError, match="map 1 holds NaN or infinity at 1 pixels"):
            aupro(broken, masks)
    with pytest.raises(UserError, match=r"image 2 .* \(4, 5\) and \(4, 4\)"):
        pixel_auroc([maps[0], maps[0], np.zeros((4, 5))], list(masks))
    with pytest.raises(UserError, match="3 maps and 2 masks"):
        pixel_metrics(maps, masks[:2])
    for limit in (0.0, -0.1, 1.01, np.nan):
        with pytest.raises(UserError, match="limit"):
            aupro(maps, masks, limit)


@pytest.mark.parametrize("mean", [0.5, 12.0, 20.0, 30.0, 60.0])
def test_large_distances_do_not_saturate(mean: float):
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.4
    scores = (rng.normal(mean, 1.0, 200) + 1.5 * labels).astype(np.float32)
    metrics = image_metrics(scores, labels, mean + 0.7)
    assert metrics["image_auroc"] == roc_auc_score(labels, scores.astype(np.float64)) and metrics["image_auroc"] > 0.8
    assert metrics["image_auprc"] == average_precision_score(labels, scores.astype(np.float64))
    assert metrics["f1"] == pytest.approx(f1_score(labels, scores >= mean + 0.7))


def test_image_metrics_by_hand():
    # Alarms at >= 3: the images with 3, 4, 5; two of the three anomalous ones among them.
    metrics = image_metrics([1, 2, 3, 4, 5], [0, 1, 0, 1, 1], 3)
    assert metrics == {
        "image_auroc": pytest.approx(5 / 6),
        "image_auprc": pytest.approx((1 + 1 + 3 / 4) / 3),
        "f1": pytest.approx(2 / 3),
        "accuracy": pytest.approx(3 / 5),
        "false_alarm_rate": 0.5,
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "threshold": 3.0,
    }
    assert all(type(value) is float for value in metrics.values())


@pytest.mark.filterwarnings("error")
def test_one_class_or_no_alarm_gives_nan_and_zero_without_a_warning():
    only_normal = image_metrics([1.0, 2.0], [0, 0], 5.0)
    assert np.isnan(only_normal["image_auroc"]) and np.isnan(only_normal["image_auprc"])
    assert (only_normal["accuracy"], only_normal["f1"], only_normal["precision"], only_normal["recall"]) == (1, 0, 0, 0)
    only_anomalous = image_metrics([1.0, 2.0], [1, 1], 1.5)
    assert np.isnan(only_anomalous["image_auroc"]) and only_anomalous["recall"] == 0.5
    assert image_metrics([1.0, 2.0], [0, 1], 5.0)["precision"] == 0.0


@pytest.mark.parametrize(
    ("scores", "labels", "threshold", "message"),
    [
        ([1.0, np.nan], [0, 1], 0.5, "score of image 1 is nan"),
        ([1.0, 2.0], [0, 1, 1], 0.5, r"\(2,\) and \(3,\)"),
        ([], [], 0.5, "shapes"),
        ([1.0, 2.0], [0, 2], 0.5, "labels must be 0"),
        ([1.0, 2.0], [0, 1], np.nan, "threshold"),
    ],
)
def test_bad_scores_are_refused(scores: list, labels: list, threshold: float, message: str):
    with pytest.raises(UserError, match=message):
        image_metrics(scores, labels, threshold)


def test_good_images_alone_have_false_alarms_and_scores():
    scores = [0.1 * number for number in range(1, 40)]  # 39: the 0.95 quantile is the 38th, the median the 20th
    expected = {"false_alarm_rate": 3 / 39, "score_median": 2.0, "score_q95": 3.8, "score_max": 3.9, "threshold": 3.65}
    assert good_metrics(scores, 3.65) == pytest.approx(expected)
    assert good_metrics([1.0, 2.0], 2.0)["false_alarm_rate"] == 0.5  # at the threshold is an alarm
    assert all(type(value) is float for value in good_metrics(np.float64([1, 2]), 2).values())
    with pytest.raises(UserError, match="finite"):
        good_metrics([1.0, np.nan], 0.0)
