"""From patch distances to the anomaly map, aligned with the image to the pixel."""

import functools

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..config import ImageSpec
from ..data.loading import footprint, view_coordinates
from ..features.grids import Grid, linear_taps
from ..features.threads import fixed_threads

SIGMA = 4.0  # view pixels (PatchCore, section 3.3)


def anomaly_map(patches: np.ndarray, grid: Grid, spec: ImageSpec, height: int, width: int) -> np.ndarray:
    """The anomaly map of a source image: float32 (height, width), NaN where the view's crop did not see it.

    ``patches`` (h, w) are patch distances whose centres ``grid`` gives. They are interpolated to the view's pixels,
    smoothed (σ = 4 view pixels, reflected borders) and interpolated to the source pixels; all three steps are linear
    and separable, so each axis is one small matrix.
    """
    seen = footprint(height, width, spec)
    down = _axis(grid, spec, patches.shape[0], height)
    across = _axis(grid, spec, patches.shape[1], width)
    result = np.full((height, width), np.nan, dtype=np.float32)
    # Not NumPy's product: its threads go on spinning for a while, and take a core from the search of the next image.
    with fixed_threads():
        seen_map = down @ torch.from_numpy(np.ascontiguousarray(patches, np.float64)) @ across.T
    result[seen.top : seen.bottom, seen.left : seen.right] = seen_map.numpy()
    return result


@functools.lru_cache(maxsize=64)
def _axis(grid: Grid, spec: ImageSpec, cells: int, length: int) -> Tensor:
    """float64 (footprint, cells): how much each cell counts in each source pixel along one axis."""
    to_view = _interpolation(grid.cells(np.arange(spec.size)), cells)
    smooth = gaussian_filter1d(to_view, SIGMA, axis=0, mode="reflect")
    lower, upper, weight = linear_taps(view_coordinates(length, spec), spec.size)
    return torch.lerp(*(torch.from_numpy(part) for part in (smooth[lower], smooth[upper], weight[:, None])))


def _interpolation(positions: np.ndarray, count: int) -> np.ndarray:
    lower, upper, weight = linear_taps(positions, count)
    matrix = np.zeros((len(positions), count))
    rows = np.arange(len(positions))
    np.add.at(matrix, (rows, lower), 1 - weight)
    np.add.at(matrix, (rows, upper), weight)
    return matrix
