"""Turns patch distances into an anomaly map that is aligned with the image to the pixel."""

import functools

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..config import ImageSpec
from ..data.loading import footprint, view_coordinates
from ..features.grids import Grid
from ..features.patches import Taps, read_at
from ..features.threads import fixed_threads
from .contract import SMOOTHING


def anomaly_map(
    patches: np.ndarray, grid: Grid, spec: ImageSpec, height: int, width: int, smoothing: float = SMOOTHING
) -> np.ndarray:
    """The anomaly map of a source image: float32 (height, width), NaN outside the view's crop.

    ``patches`` (h, w) are the distances of patches, whose centres ``grid`` gives. They are interpolated to the view's
    pixels, smoothed (σ = ``smoothing`` view pixels, reflected borders; 0 = not at all) and interpolated to the source
    pixels. All three steps are linear and separable, so each axis is one small matrix.
    """
    seen = footprint(height, width, spec)
    down = _axis(grid, spec, patches.shape[0], height, smoothing)
    across = _axis(grid, spec, patches.shape[1], width, smoothing)
    result = np.full((height, width), np.nan, dtype=np.float32)
    # torch's product, not NumPy's: NumPy's threads stay busy for a while and would slow down the next image's search.
    with fixed_threads():
        seen_map = down @ torch.from_numpy(np.ascontiguousarray(patches, np.float64)) @ across.T
    result[seen.top : seen.bottom, seen.left : seen.right] = seen_map.numpy()
    return result


def view_map(cells: Tensor, grid: Grid, view: int, smoothing: float = SMOOTHING) -> Tensor:
    """The anomaly map of a view of so many pixels on a side: float64 (view, view), on the CPU.

    It is what ``anomaly_map`` interpolates to the source image. ``cells`` (h, w) are the scores of cells on ``grid``.
    """
    down, across = (view_weights(grid, view, count, smoothing) for count in cells.shape)
    with fixed_threads():
        return down @ cells.double().cpu() @ across.T


@functools.lru_cache(maxsize=64)
def _axis(grid: Grid, spec: ImageSpec, cells: int, length: int, smoothing: float) -> Tensor:
    """The weight of each cell in each source pixel along one axis: float64 (footprint, cells)."""
    return read_at(
        view_weights(grid, spec.size, cells, smoothing), 0, Taps.at(view_coordinates(length, spec), spec.size)
    )


@functools.lru_cache(maxsize=16)
def view_weights(grid: Grid, view: int, cells: int, smoothing: float) -> Tensor:
    """The weight of each cell in each pixel of the view along one axis: float64 (view, cells), equal for all images."""
    to_view = read_at(torch.eye(cells, dtype=torch.float64), 0, Taps.at(grid.cells(np.arange(view)), cells))
    if not smoothing:
        return to_view
    return torch.from_numpy(gaussian_filter1d(to_view.numpy(), smoothing, axis=0, mode="reflect"))
