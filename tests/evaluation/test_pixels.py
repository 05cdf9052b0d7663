import threading
import tracemalloc
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adtrack.evaluation import masked_maps
from adtrack.evaluation.pixels import PixelRanking, rank_pixels

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


def assert_same(one: PixelRanking, other: PixelRanking):
    for field in fields(PixelRanking):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(left, right) and np.asarray(left).dtype == np.asarray(right).dtype


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([0, 0.3, 1])), max_size=8),
    st.sampled_from([2, 9, 10_000]),
    st.integers(0, 200),
)
def test_counting_piece_by_piece_gives_the_bits_of_counting_at_once(
    seed: int, images: list[tuple[int, int, float]], levels: int, at_once: int
):
    """Images of different sizes, without any defect or with nothing else; ties within and across pieces."""
    draws = np.random.default_rng(seed)
    maps = [draws.integers(levels, size=(height, width)).astype(np.float32) for height, width, _ in images]
    masks = [draws.random((height, width)) < share for height, width, share in images]
    expected = rank_pixels(maps, masks)
    normal = np.concatenate([np.empty(0), *(plane[~mask] for plane, mask in zip(maps, masks, strict=True))])
    defect = np.concatenate([np.empty(0), *(plane[mask] for plane, mask in zip(maps, masks, strict=True))])
    distinct = np.unique(defect)[::-1]
    assert expected.normal_total == len(normal)
    assert expected.above.tolist() == [np.count_nonzero(normal > score) for score in distinct]
    assert expected.reached.tolist() == [np.count_nonzero(normal >= score) for score in distinct]
    assert expected.defects.tolist() == [np.count_nonzero(defect == score) for score in distinct]
    assert_same(rank_pixels(maps, masks, at_once), expected)
    fine = [plane.astype(np.float64 if index % 2 else np.float32) for index, plane in enumerate(maps)]
    assert_same(rank_pixels(fine, masks, at_once), expected)


class Read(list):
    """A list that counts how often each of its planes is read, and in what order."""

    def __init__(self, planes):
        super().__init__(planes)
        self.order: list[int] = []

    def __getitem__(self, index: int) -> np.ndarray:
        self.order.append(index)
        return super().__getitem__(index).copy()


def test_a_map_is_read_once_and_only_one_of_a_defect_in_a_later_piece_twice():
    maps, masks = Read(np.random.default_rng(3).random((9, 10, 10))), np.zeros((9, 10, 10), dtype=bool)
    masks[[1, 5, 8], 2:4, 2:4] = True
    rank_pixels(maps, masks)
    assert maps.order == list(range(9))
    maps.order.clear()
    rank_pixels(maps, masks, at_once=300)
    assert maps.order == [0, 1, 2, 5, 8, *range(3, 9)] and set(Counter(maps.order).values()) == {1, 2}


@pytest.mark.parametrize(("large", "ahead"), [(100, True), (99, False)])
def test_the_next_map_is_made_ahead_unless_it_is_large(monkeypatch: pytest.MonkeyPatch, large: int, ahead: bool):
    second = threading.Event()

    class Made(Read):
        def __getitem__(self, index: int) -> np.ndarray:
            if index == 1:
                second.set()
            return super().__getitem__(index)

    monkeypatch.setattr(masked_maps, "LARGE", large)
    read = masked_maps.MaskedMaps(Made(np.ones((5, 10, 10))), np.zeros((5, 10, 10), dtype=bool)).read(range(5))
    assert next(read)[0] == 0
    assert second.wait(60 if ahead else 0) == ahead
    assert [index for index, _, _ in read] == [1, 2, 3, 4]


def test_memory_does_not_grow_with_the_number_of_maps():
    class Made:
        """Maps and masks that are made when they are read."""

        def __init__(self, count: int, make):
            self.count, self.make = count, make

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> np.ndarray:
            return self.make(index)

    def plane(index: int) -> np.ndarray:
        return np.random.default_rng(index).random((256, 256), dtype=np.float32)

    def mask(index: int) -> np.ndarray:
        marked = np.zeros((256, 256), dtype=bool)
        marked[:4, :4] = index % 2
        return marked

    def peak(count: int) -> int:
        tracemalloc.start()
        ranking = rank_pixels(Made(count, plane), Made(count, mask), at_once=2**18)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert ranking.normal_total == count * 2**16 - count // 2 * 16
        return found

    peak(4)  # what it imports is not its own
    assert peak(40) < 1.2 * peak(8)
