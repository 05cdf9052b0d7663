"""Anomaly maps: interpolation, smoothing and the way back to source pixels, against scipy's own."""

import numpy as np
import pytest
from scipy import ndimage

from adtrack.config import ImageSpec
from adtrack.detectors.maps import anomaly_map
from adtrack.features.grids import Grid


def patches(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def test_evenly_tiled_patches_are_zoomed_and_smoothed() -> None:
    distances = patches(8, 8)
    expected = ndimage.gaussian_filter(
        ndimage.zoom(distances.astype(np.float64), 8, order=1, mode="nearest", grid_mode=True), 4
    )
    result = anomaly_map(distances, Grid(3.5, 8), ImageSpec(64, 0), 64, 64)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def read(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    coordinates = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    return ndimage.map_coordinates(plane, coordinates, order=1, mode="nearest")


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 73), (31, 200)])
@pytest.mark.parametrize("grid", [Grid(0, 8), Grid(7, 8), Grid(3.5, 8)])
def test_any_grid_crop_and_source_size(grid: Grid, height: int, width: int) -> None:
    distances = patches(6, 6).astype(np.float64)
    in_view = ndimage.gaussian_filter(read(distances, *[(np.arange(48) - grid.offset) / grid.stride] * 2), 4)
    # Source pixel x is centred on (x + ½) · 64 / length of the squeezed image, whose pixels 8 to 55 are the view.
    expected = np.full((height, width), np.nan)
    rows, columns = ((np.arange(length) + 0.5) * 64 / length - 8 for length in (height, width))
    seen = [np.flatnonzero((axis >= 0) & (axis <= 48)) for axis in (rows, columns)]
    expected[np.ix_(*seen)] = read(in_view, rows[seen[0]] - 0.5, columns[seen[1]] - 0.5)
    np.testing.assert_allclose(
        anomaly_map(distances.astype(np.float32), grid, ImageSpec(64, 48), height, width), expected, rtol=1e-5
    )


def test_pixels_outside_the_crop_have_no_value() -> None:
    result = anomaly_map(patches(6, 6), Grid(3.5, 8), ImageSpec(64, 48), 128, 128)
    assert np.isfinite(result[16:112, 16:112]).all() and np.isfinite(result).sum() == 96 * 96
    assert np.isfinite(anomaly_map(patches(8, 8), Grid(3.5, 8), ImageSpec(64, 0), 50, 70)).all()


@pytest.mark.parametrize("grid", [Grid(0, 8), Grid(15, 8)])
def test_constant_patches_make_a_constant_map(grid: Grid) -> None:
    result = anomaly_map(np.full((8, 8), 3.7, np.float32), grid, ImageSpec(64, 0), 90, 61)
    np.testing.assert_allclose(result, 3.7, rtol=1e-6)


def test_the_map_is_linear_and_stays_within_the_patches() -> None:
    one, other = patches(7, 7), patches(7, 7, seed=1)

    def of(distances: np.ndarray) -> np.ndarray:
        return anomaly_map(distances, Grid(1, 8), ImageSpec(64, 0), 64, 80).astype(np.float64)

    np.testing.assert_allclose(of(one + 3 * other), of(one) + 3 * of(other), rtol=1e-5)
    assert one.min() <= of(one).min() and of(one).max() <= one.max()


def test_memory_layout_does_not_show() -> None:
    distances = patches(9, 9)
    usual = anomaly_map(distances, Grid(0, 8), ImageSpec(80, 72), 100, 100)
    wide = np.zeros((9, 27), np.float32)
    wide[:, ::3] = distances
    for other in (np.asfortranarray(distances), wide[:, ::3], distances[::-1][::-1], distances.astype(np.float64)):
        np.testing.assert_array_equal(anomaly_map(other, Grid(0, 8), ImageSpec(80, 72), 100, 100), usual)


def test_rows_and_columns_are_treated_alike() -> None:
    distances = patches(8, 8)
    usual = anomaly_map(distances, Grid(0, 8), ImageSpec(64, 0), 64, 100)
    turned = anomaly_map(distances.T, Grid(0, 8), ImageSpec(64, 0), 100, 64)
    np.testing.assert_allclose(turned.T, usual, rtol=1e-6)


@pytest.mark.parametrize("cell", [(0, 0), (3, 5), (7, 7)])
def test_a_hot_patch_is_hottest_where_its_centre_lies(cell: tuple[int, int]) -> None:
    distances = np.zeros((8, 8), np.float32)
    distances[cell] = 1
    result = anomaly_map(distances, Grid(7, 8), ImageSpec(80, 0), 80, 160)
    peak = np.unravel_index(result.argmax(), result.shape)
    # At a border the outermost cell is carried on, so its heat lies anywhere beyond its centre.
    expected = [7 + 8 * index for index in cell]
    lowest, highest = np.array(expected) - 1, np.array(expected) + 1
    lowest[np.array(cell) == 0] = 0
    highest[np.array(cell) == 7] = 79
    assert lowest[0] <= peak[0] <= highest[0] and lowest[1] <= peak[1] / 2 <= highest[1] + 0.5
