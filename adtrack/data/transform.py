"""MVTec-Shift on pixels: one image or mask goes through the transform that was drawn for it.

The steps come in this order: one affine map (rotation, resized crop and translation together, so that the image is
resampled once); brightness, contrast, saturation; illumination; blur; noise. Light changes before the lens blurs and
the sensor adds noise. As nothing follows the noise, it keeps the σ that was drawn.

An image is computed in float32 on [0, 1], in strips of rows that stay in a core's cache. Its channels are planes,
(3, H, W), until the noise is added.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from .light import light
from .shift import Shift
from .strips import Scratch, strips, tiles
from .warp import affine, bilinear, framed, nearest

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def _grey(planes: np.ndarray) -> np.ndarray:
    """(3, …) → (…); written out because the bits of a matrix product depend on the machine's BLAS."""
    grey: np.ndarray = planes[0] * LUMA[0]
    green, blue = planes[1] * LUMA[1], planes[2] * LUMA[2]
    grey += green
    grey += blue
    return grey


def _clip(planes: np.ndarray) -> None:
    np.clip(planes, 0, 1, out=planes)


def _moved(image: np.ndarray, shift: Shift) -> np.ndarray:
    """The image after the affine map, float32 (3, H, W)."""
    height, width, _ = image.shape
    warp, planes, scratch = affine(shift, height, width), framed(np.moveaxis(image, 2, 0)), Scratch()
    moved = np.empty((3, height, width), dtype=np.float32)
    for rows, columns in tiles(height, width):
        moved[:, rows, columns] = bilinear(planes, warp, rows, columns, scratch)
    return moved


def _expose(planes: np.ndarray, shift: Shift) -> None:
    """Brightness, contrast about the mean of the grey image, saturation about each pixel's grey, illumination.

    All but the last are clipped. The mean is NumPy's of the whole grey image, as its bits depend on its order.
    """
    height, width = planes.shape[1:]
    grey = np.empty((height, width), dtype=np.float32)
    for rows in strips(height, width):
        part = planes[:, rows]
        part *= np.float32(shift.brightness)
        _clip(part)
        grey[rows] = _grey(part)
    mean = np.float32(grey.mean(dtype=np.float64))
    lights = None if shift.illumination == "none" else light(shift, height, width)
    for rows in strips(height, width):
        part = planes[:, rows]
        _spread(part, mean, shift.contrast)
        _spread(part, _grey(part), shift.saturation)
        if lights is not None:
            part *= next(lights)


def _spread(planes: np.ndarray, centre: np.ndarray | np.float32, factor: float) -> None:
    planes -= centre
    planes *= np.float32(factor)
    planes += centre
    _clip(planes)


def _taps(kernel: int) -> np.ndarray:
    """A Gaussian of ``kernel`` taps with OpenCV's σ = 0.3 ((k - 1) / 2 - 1) + 0.8."""
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8
    taps: np.ndarray = np.exp(-((np.arange(kernel) - kernel // 2) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    return taps


def _correlate(values: np.ndarray, taps: np.ndarray, step: int, scratch: Scratch) -> np.ndarray:
    """What SciPy's ``correlate1d`` gives for float64 values (3, n), of which neighbours are ``step`` apart.

    Its order: the middle, then the pairs from the outermost inwards, the two values of a pair added first
    (``NI_Correlate1D`` in ni_filters.c). At the end, where values lack neighbours, the result is not defined.
    """
    middle, count = len(taps) // 2, values.shape[1] - (len(taps) - 1) * step
    near = [values[:, tap * step :][:, :count] for tap in range(len(taps))]
    whole, pair = scratch.array("total", values.shape), scratch.array("pair", (3, count))
    total = np.multiply(near[middle], taps[middle], out=whole[:, :count])
    for tap in range(middle):
        np.add(near[tap], near[-1 - tap], out=pair)
        pair *= taps[tap]
        total += pair
    return whole


def _blurred(planes: np.ndarray, kernel: int) -> Iterator[np.ndarray]:
    """The image, blurred along columns and then along rows, mirrored at the border: float64 (3, rows, W), by strips."""
    taps, margin, scratch = _taps(kernel), kernel // 2, Scratch()
    height, width = planes.shape[1:]
    i, j = (np.pad(np.arange(side), margin, mode="symmetric") for side in (height, width))
    for rows in strips(height, width):
        count = rows.stop - rows.start
        wide = scratch.array("wide", (3, count + 2 * margin, len(j)))
        wide[:, :, margin : margin + width] = planes.take(i[rows.start : rows.stop + 2 * margin], axis=1)
        for end in (slice(margin), slice(margin + width, None)):
            wide[:, :, end] = wide[:, :, margin + j[end]]
        once = scratch.array("once", (3, count, len(j)), np.float32)
        once[...] = _correlate(wide.reshape(3, -1), taps, len(j), scratch).reshape(wide.shape)[:, :count]
        again = scratch.array("again", once.shape)
        again[...] = once
        yield _correlate(again.reshape(3, -1), taps, 1, scratch).reshape(once.shape)[:, :, :width]


@lru_cache(1)
def _quantiles() -> np.ndarray:
    """The Gaussian's 65 536 quantiles, float32."""
    quantiles: np.ndarray = ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)
    return quantiles


def _noise(shape: tuple[int, int, int], shift: Shift) -> Iterator[np.ndarray]:
    """Normal noise for strip after strip, float32 (rows, W, 3): 16-bit numbers from raw words choose quantiles.

    Unlike the normal generator of a library this is fixed for good. It ends at ±4.3 σ, which does not matter in 8-bit
    pixels. A word holds four numbers: none is lost between strips, as they have multiples of four rows.
    """
    height, width, channels = shape
    bits, levels = np.random.PCG64(shift.noise_seed), np.float32(shift.noise_sigma) * _quantiles()
    for rows in strips(height, width):
        size = (rows.stop - rows.start) * width * channels
        words = bits.random_raw(-(-size // 4)).astype("<u8", copy=False)
        yield levels.take(words.view("<u2")[:size], mode="wrap").reshape(-1, width, channels)


def shift_image(image: np.ndarray, shift: Shift) -> np.ndarray:
    """The shifted image: uint8 (H, W, 3) → uint8 (H, W, 3)."""
    planes = _moved(image, shift)
    _expose(planes, shift)
    shifted = np.empty_like(image)
    steps = strips(*image.shape[:2]), _blurred(planes, shift.blur_kernel), _noise(image.shape, shift)
    for rows, blurred, noise in zip(*steps, strict=True):
        seen = np.empty_like(noise)
        for channel, plane in enumerate(blurred):
            seen[:, :, channel] = plane
        seen += noise
        _clip(seen)
        seen *= 255
        shifted[rows] = np.rint(seen, out=seen)
    return shifted


def shift_mask(mask: np.ndarray, shift: Shift) -> np.ndarray:
    """The mask, bool (H, W), moved with its image: same map, nearest neighbour, same reflection at the border."""
    moved = np.zeros_like(mask)
    if not mask.any():
        return moved
    warp, plane = affine(shift, *mask.shape), framed(mask)
    marked = [np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    for rows, columns in tiles(*mask.shape):
        if warp.comes_near(rows, columns, marked):
            moved[rows, columns] = nearest(plane, warp, rows, columns)
    return moved
