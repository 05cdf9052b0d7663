"""MVTec-Shift by SciPy and by NumPy's operations on whole images: what adtrack/data/transform.py must give bit for bit.

Digests of feature caches, shifted copies and published figures rest on these bits.
"""

import math

import numpy as np
from scipy import ndimage
from scipy.special import ndtr, ndtri

from adtrack.data.shift import Shift

TRANSITION = 80 / 1024  # σ of the light's smooth transition, as a share of the side
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def _affine(shift: Shift, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The map from an output pixel (row, column) to its source pixel, as a 2 × 2 matrix and an offset.

    The image is turned counter-clockwise about its centre, cropped and resized to its own size, then moved down and
    to the right. The map is the inverse of that, between pixel centres at half-integers.
    """
    sides = np.array([height, width], dtype=np.float64)
    resize = np.diag([shift.crop_height, shift.crop_width])
    corner = np.array([shift.crop_top, shift.crop_left]) * sides
    move = np.array([shift.translate_y, shift.translate_x]) * sides
    cosine, sine = math.cos(math.radians(shift.angle)), math.sin(math.radians(shift.angle))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    # source + ½ = turn · (corner + resize · (output + ½ − move) − centre) + centre
    return turn @ resize, turn @ (corner + resize @ (0.5 - move) - sides / 2) + sides / 2 - 0.5


def _resample(plane: np.ndarray, shift: Shift, order: int) -> np.ndarray:
    """One channel (H, W) at the map's source points. Outside, it is reflected: (d c b a | a b c d | d c b a)."""
    height, width = plane.shape
    matrix, offset = _affine(shift, height, width)
    moved: np.ndarray = ndimage.affine_transform(plane, matrix, offset, order=order, mode="reflect", prefilter=False)
    return moved


def _grey(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) → (H, W, 1); written out because the bits of a matrix product depend on the machine's BLAS."""
    red, green, blue = (image[:, :, channel] * LUMA[channel] for channel in range(3))
    grey: np.ndarray = red + green + blue
    return grey[:, :, None]


def _photometric(image: np.ndarray, shift: Shift) -> np.ndarray:
    """Brightness, contrast about the mean of the grey image, saturation about each pixel's grey; clipped each time."""
    image = np.clip(image * np.float32(shift.brightness), 0, 1)
    mean = np.float32(_grey(image).mean(dtype=np.float64))
    image = np.clip(mean + (image - mean) * np.float32(shift.contrast), 0, 1)
    grey = _grey(image)
    saturated: np.ndarray = np.clip(grey + (image - grey) * np.float32(shift.saturation), 0, 1)
    return saturated


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


def _light(shift: Shift, height: int, width: int) -> np.ndarray:
    """The factor of each pixel, float32 (H, W): 1 - depth at the dark end, 1 at the bright end.

    Linear light changes along one side. Radial light changes with the distance from the centre, each axis measured in
    its own side, which is 1 in the corners. As that distance spans half a diagonal, the transition's σ is √2 times as
    large.
    """
    y, x = np.ix_((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width)
    linear = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}
    if shift.illumination in linear:
        light = _ramp(linear[shift.illumination], TRANSITION)
    else:
        light = _ramp(np.hypot(2 * y - 1, 2 * x - 1) / math.sqrt(2), TRANSITION * math.sqrt(2))
        light = 1 - light if shift.illumination == "edge" else light
    return np.broadcast_to(1 - shift.illumination_depth * (1 - light), (height, width)).astype(np.float32)


def _blur(image: np.ndarray, kernel: int) -> np.ndarray:
    """Gaussian of ``kernel`` taps with OpenCV's σ = 0.3 ((k - 1) / 2 - 1) + 0.8, mirrored at the border."""
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8
    taps = np.exp(-((np.arange(kernel) - kernel // 2) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    blurred: np.ndarray = ndimage.correlate1d(ndimage.correlate1d(image, taps, axis=0), taps, axis=1)
    return blurred


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Standard normal noise, float32: 16-bit numbers from raw words choose among the Gaussian's 65 536 quantiles.

    Unlike the normal generator of a library this is fixed for good. It ends at ±4.3 σ, which does not matter in 8-bit
    pixels.
    """
    quantiles: np.ndarray = ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)
    size = math.prod(shape)
    words = np.random.PCG64(seed).random_raw(-(-size // 4)).astype("<u8")
    noise: np.ndarray = quantiles[words.view("<u2")[:size]].reshape(shape)
    return noise


def shift_image(image: np.ndarray, shift: Shift) -> np.ndarray:
    """The shifted image: uint8 (H, W, 3) → uint8 (H, W, 3), computed in float32 on [0, 1]."""
    scaled = image.astype(np.float32) / np.float32(255)
    moved = np.stack([_resample(scaled[:, :, channel], shift, order=1) for channel in range(3)], axis=2)
    lit = _photometric(moved, shift)
    if shift.illumination != "none":
        lit = lit * _light(shift, *image.shape[:2])[:, :, None]
    seen = _blur(lit, shift.blur_kernel) + np.float32(shift.noise_sigma) * _noise(image.shape, shift.noise_seed)
    return np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8)


def shift_mask(mask: np.ndarray, shift: Shift) -> np.ndarray:
    """The mask, bool (H, W), moved with its image: same map, nearest neighbour, same reflection at the border."""
    return _resample(mask.astype(np.uint8), shift, order=0).astype(bool)
