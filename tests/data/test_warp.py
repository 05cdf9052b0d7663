"""The affine map by tiles, against SciPy on the whole image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from adtrack.data.shift import Shift
from adtrack.data.strips import Scratch, tiles
from adtrack.data.warp import Warp, affine, bilinear, framed, nearest

RNG = np.random.default_rng(0)


def assert_scipys(plane: np.ndarray, warp: Warp) -> None:
    """Bilinear values in float64 before they are rounded, and the nearest pixels."""
    scaled = plane.astype(np.float32) / np.float32(255)
    moved, chosen, scratch = np.empty(plane.shape), np.empty_like(plane), Scratch()
    for rows, columns in tiles(*plane.shape):
        moved[rows, columns] = bilinear(framed(plane)[None], warp, rows, columns, scratch)[0]
        chosen[rows, columns] = nearest(framed(plane), warp, rows, columns)
    how = {"matrix": warp.matrix, "offset": warp.offset, "mode": "reflect", "prefilter": False}
    np.testing.assert_array_equal(moved, ndimage.affine_transform(scaled, order=1, output=np.float64, **how))
    np.testing.assert_array_equal(chosen, ndimage.affine_transform(plane, order=0, **how))


@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 300)),
    angle=st.floats(-80, 80),
    crop=st.floats(0.1, 1.5),
    move=st.tuples(st.floats(-7, 7), st.floats(-7, 7)),
)
def test_any_map_gives_scipys_values_however_far_it_reaches_beyond_the_border(size, angle, crop, move) -> None:
    shift = Shift(angle=angle, crop_height=crop, crop_width=1 / crop, translate_y=move[0], translate_x=move[1])
    assert_scipys(RNG.integers(0, 256, size, dtype=np.uint8), affine(shift, *size))


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_points_on_the_border_and_a_last_bit_beside_it(side: int) -> None:
    """Every half pixel from far before to far behind the image, and the float64 numbers next to it."""
    for place in np.arange(-5 * side, 5 * side, 0.5):
        for offset in (np.nextafter(place, -np.inf), place, np.nextafter(place, np.inf)):
            plane = RNG.integers(0, 256, (side, 3), dtype=np.uint8)
            assert_scipys(plane, Warp(side, 3, np.eye(2), np.array([offset, 0.0])))


def test_tiles_cover_an_image_once() -> None:
    for size in ((1, 1), (128, 256), (300, 1000)):
        seen = np.zeros(size, dtype=int)
        for rows, columns in tiles(*size):
            seen[rows, columns] += 1
        assert (seen == 1).all()
