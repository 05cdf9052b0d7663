"""Varied views, and where CutMix cuts and pastes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adtrack.training.augment import cut_mixed, drawn_rectangle, varied

SEEDS = st.integers(0, 10**6)


def numbered(size: int, colour: int) -> np.ndarray:
    """A view whose pixels tell their row and column (both below 256) and to which picture they belong."""
    rows, columns = np.mgrid[:size, :size].astype(np.uint8)
    return np.stack([rows, columns, np.full_like(rows, colour)], axis=2)


@given(st.integers(32, 200), SEEDS)
def test_a_rectangle_of_the_other_view_is_pasted_at_another_place(size: int, seed: int) -> None:
    view, other = numbered(size, 1), numbered(size, 2)
    before = view.copy()
    mixed = cut_mixed(view, other, np.random.default_rng(seed))
    assert (view == before).all()
    pasted = mixed[:, :, 2] == 2
    rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
    inside = np.ix_(rows, columns)
    assert pasted[inside].all() and len(rows) == np.ptp(rows) + 1 and len(columns) == np.ptp(columns) + 1
    assert (mixed[~pasted] == view[~pasted]).all()
    top, left = int(mixed[inside][0, 0, 0]), int(mixed[inside][0, 0, 1])
    assert (top, left) != (rows[0], columns[0])
    assert (mixed[inside] == other[top : top + len(rows), left : left + len(columns)]).all()


@given(st.integers(32, 400), SEEDS)
def test_rectangles_lie_inside_and_are_of_a_defects_size(size: int, seed: int) -> None:
    found = drawn_rectangle(size, np.random.default_rng(seed))
    assert 0 <= found.top <= size - found.height and 0 <= found.left <= size - found.width
    assert found.height < size and found.width < size
    assert 0.01 < found.height * found.width / size**2 < 0.2
    assert max(found.height, found.width) <= 4 * min(found.height, found.width)


@given(SEEDS)
def test_a_varied_view_is_drawn_by_its_generator_alone(seed: int) -> None:
    view = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    first, again = (varied(view, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == view.shape and first.dtype == np.uint8 and (first == again).all()
    assert (first != varied(view, np.random.default_rng(seed + 1))).any()
