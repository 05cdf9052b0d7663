"""Draws of a wider family than MVTec-Shift: before it comes one kind of drift that MVTec-Shift does not have.

On magnetic tiles a bank of such draws ranks images under a sharp shadow far better than one of MVTec-Shift's draws, and
images under MVTec-Shift itself a little worse.
"""

from collections.abc import Callable

import numpy as np

from .corruptions import DEFOCUS_SIGMA, defocus, gamma, shadow, white_balance
from .shift import DEEPEST, Draws


def _shadow(image: np.ndarray, draws: Draws, severity: float) -> np.ndarray:
    """A straight edge near the middle, beyond which 30 to 50 % of the light is lost."""
    lost = min(severity * draws.between(0.3, 0.5), DEEPEST)
    return shadow(image, 1 - lost, draws.between(0, 360), draws.between(-0.3, 0.3))


def _defocus(image: np.ndarray, draws: Draws, severity: float) -> np.ndarray:
    """A Gaussian of up to 5 pixels on a side of 1024."""
    return defocus(image, severity * draws.between(0, 1.25 * DEFOCUS_SIGMA))


def _gamma(image: np.ndarray, draws: Draws, severity: float) -> np.ndarray:
    """An exponent from 1 / 1.7 to 1.7."""
    return gamma(image, 1.7 ** (severity * draws.between(-1, 1)))


def _colour(image: np.ndarray, draws: Draws, severity: float) -> np.ndarray:
    """Red and blue by factors from 0.75 to 1.25 each."""
    red, blue = (1 + severity * draws.between(-0.25, 0.25) for _ in range(2))
    return white_balance(image, red, blue)


WIDE: dict[str, Callable[[np.ndarray, Draws, float], np.ndarray]] = {
    "shadow": _shadow,
    "defocus": _defocus,
    "gamma": _gamma,
    "colour": _colour,
}


def widened(image: np.ndarray, path: str, seed: int, severity: float, without: str = "") -> np.ndarray:
    """The image at ``path``, uint8 (H, W, 3), through one of the kinds in WIDE, but not ``without``.

    Kind and parameters depend on seed and path alone; ``severity`` scales how far the parameters are from no change.
    """
    draws = Draws(seed, f"wide:{path}")
    kind = draws.pick([name for name in WIDE if name != without])
    return WIDE[kind](image, draws, severity)
