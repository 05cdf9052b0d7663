import tracemalloc

import numpy as np
import pytest

from adtrack.evaluation.pixels import rank_pixels

# One region of two pixels with scores 4 and 2, and four normal pixels with scores 3, 1, 1 and 0.
MAP = np.array([[4.0, 2.0, 0.0], [3.0, 1.0, 1.0]])
MASK = np.array([[1, 1, 0], [0, 0, 0]])


def test_the_curve_goes_through_the_points_counted_by_hand():
    # Threshold 4: no normal pixel, half the region. 3: a quarter of the normal pixels. 2: all of the region.
    fpr, pro = rank_pixels([MAP], [MASK]).pro_curve(0.5, 5)
    assert fpr.tolist() == [0.0, 0.125, 0.25, 0.375, 0.5]
    assert pro.tolist() == [0.5, 0.5, 1.0, 1.0, 1.0]


def test_the_area_below_the_curve_is_the_aupro():
    draws = np.random.default_rng(1)
    maps, masks = draws.normal(size=(3, 40, 40)), np.zeros((3, 40, 40), dtype=bool)
    masks[0, 5:12, 5:9] = masks[1, 20:22, 30:39] = True
    maps[masks] += 1.5
    ranking = rank_pixels(maps, masks)
    fpr, pro = ranking.pro_curve(0.3, 100_001)
    assert np.trapezoid(pro, fpr) / 0.3 == pytest.approx(ranking.aupro(0.3), abs=1e-4)
    assert np.all(np.diff(pro) >= 0)


def test_without_a_defect_there_is_no_curve():
    assert np.isnan(rank_pixels([MAP], [np.zeros_like(MASK)]).pro_curve(0.3, 4)[1]).all()


def test_memory_stays_below_three_times_the_maps():
    draws = np.random.default_rng(2)
    maps, masks = draws.random((8, 256, 256), dtype=np.float32), np.zeros((8, 256, 256), dtype=bool)
    masks[1:, 20:90, 30:140] = True  # a tenth of all pixels, hardly two of them equal
    rank_pixels(maps, masks)  # what it imports is not its own
    tracemalloc.start()
    ranking = rank_pixels(maps, masks)
    ranking.auroc(), ranking.aupro(0.3), ranking.pro_curve(0.3, 301)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * maps.nbytes


@pytest.mark.parametrize("levels", [2, 30, 100_000])
def test_equal_scores_are_summed_in_one_order_whatever_came_first(levels: int):
    draws = np.random.default_rng(levels)
    maps, masks = draws.integers(levels, size=(12, 30, 30)).astype(np.float32), draws.random((12, 30, 30)) < 0.3
    usual = rank_pixels(maps, masks)
    for order in (draws.permutation(12), draws.permutation(12)):
        other = rank_pixels(maps[order], masks[order])
        assert np.array_equal(usual.pro, other.pro) and np.array_equal(usual.reached, other.reached)
