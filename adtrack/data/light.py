"""The uneven light of MVTec-Shift: a factor for every pixel."""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from .shift import Shift
from .strips import strips

TRANSITION = 80 / 1024  # σ of the light's smooth transition, as a share of the side
_RADIAL = TRANSITION * math.sqrt(2)  # the distance spans half a diagonal: the transition is √2 times as long
_STEPS = 2**16  # of the table of radial light
_WITHIN = 10 / 8 / _STEPS**2  # between two of its points the ramp is so near a line, as its curvature is below 10


def light(shift: Shift, height: int, width: int) -> Iterator[np.ndarray]:
    """The factors, strip after strip, float32 (rows, W): 1 - depth at the dark end, 1 at the bright end.

    Linear light changes along one side. Radial light changes with the distance from the centre, each axis measured in
    its own side, which is 1 in the corners.
    """
    if shift.illumination in ("centre", "edge"):
        yield from _radial(height, width, shift)
        return
    y, x = np.ix_(_middles(height), _middles(width))
    across = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}[shift.illumination]
    factors = _factor(_ramp(across, TRANSITION), shift).astype(np.float32)
    for rows in strips(height, width):
        yield np.broadcast_to(factors, (height, width))[rows]


def _middles(side: int) -> np.ndarray:
    """Where the pixels' middles lie along a side of length 1."""
    return (np.arange(side) + 0.5) / side


def _factor(ramp: np.ndarray, shift: Shift) -> np.ndarray:
    bright = 1 - ramp if shift.illumination == "edge" else ramp
    factor: np.ndarray = 1 - shift.illumination_depth * (1 - bright)
    return factor


def _radial(height: int, width: int, shift: Shift) -> Iterator[np.ndarray]:
    """Factors by the distance of a pixel from the centre.

    The ramp's formula takes longer than all other steps together. So a table says between which bounds a factor lies.
    Where they round to different float32 numbers, which happens at one pixel of a hundred, the formula decides: for all
    such pixels at once, as SciPy needs longer to be called than to compute some hundred of them.
    """
    y, x = 2 * _middles(height) - 1, 2 * _middles(width) - 1
    factors = np.empty((height, width), dtype=np.float32)
    i, j = _bounded(factors, y, x, shift)
    i, j = np.concatenate([i, i, height - 1 - i, height - 1 - i]), np.concatenate([j, width - 1 - j] * 2)
    factors[i, j] = _factor(_ramp(np.hypot(y[i], x[j]) / math.sqrt(2), _RADIAL), shift)
    for rows in strips(height, width):
        yield factors[rows]


def _bounded(factors: np.ndarray, y: np.ndarray, x: np.ndarray, shift: Shift) -> tuple[np.ndarray, np.ndarray]:
    """Fill ``factors`` with lower bounds, float32 (H, W). Returns rows and columns of the pixels in the upper left
    quarter that have another upper bound.

    The other quarters mirror this one but for the last bits of float64, which are far below the distance of the bounds.
    """
    half, half_width = (y.size + 1) // 2, (x.size + 1) // 2
    nodes = _factor(_table(), shift)
    slopes, squares = np.diff(nodes), x[:half_width] ** 2 * (_STEPS**2 / 2)
    found = []
    for rows in strips(half, half_width):
        down = y[:half][rows]
        place = np.sqrt((down * down * (_STEPS**2 / 2))[:, None] + squares)
        at = place.astype(np.intp)
        place -= at
        place *= slopes.take(at, mode="wrap")
        place += nodes.take(at, mode="wrap")
        low, high = (place - _WITHIN).astype(np.float32), (place + _WITHIN).astype(np.float32)
        factors[rows, :half_width] = low
        i, j = np.nonzero(low != high)
        found.append((rows.start + i, j))
    factors[:half, half_width:] = factors[:half, : x.size - half_width][:, ::-1]
    factors[half:] = factors[: y.size - half][::-1]
    i, j = (np.concatenate(part) for part in zip(*found, strict=True))
    return i, j


@lru_cache(1)
def _table() -> np.ndarray:
    """The radial ramp at the distances 0, 1 / _STEPS, …, 1."""
    return _ramp(np.arange(_STEPS + 1) / _STEPS, _RADIAL)


def _ramp(t: np.ndarray, sigma: float) -> np.ndarray:
    """The ramp min(|t|, 1) convolved with a Gaussian of ``sigma`` and rescaled so that 0 → 0 and 1 → 1.

    The Gaussian turns max(t, 0) into σ φ(t/σ) + t Φ(t/σ), and the ramp is max(t, 0) + max(-t, 0) - max(t - 1, 0) for
    t ≥ -1. The result is flat at the dark end, straight in between and flat again where the full light begins.
    """

    def smooth(x: np.ndarray) -> np.ndarray:
        z = x / sigma
        convolved: np.ndarray = sigma * np.exp(-z * z / 2) / math.sqrt(2 * math.pi) + x * ndtr(z)
        return convolved

    def level(x: np.ndarray) -> np.ndarray:
        total: np.ndarray = smooth(x) + smooth(-x) - smooth(x - 1)
        return total

    dark, bright = level(np.array([0.0, 1.0]))
    ramp: np.ndarray = (level(t) - dark) / (bright - dark)
    return ramp
