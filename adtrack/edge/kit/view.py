"""Makes of an image what the network sees, with the bits of Pillow 13, by NumPy alone."""

import numpy as np

KERNELS = {  # how far each reaches, and what it weighs at a distance of 0 or more
    "bilinear": (1, lambda x: 1 - x),
    "bicubic": (2, lambda x: np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2)),
    "lanczos": (3, lambda x: np.sinc(x) * np.sinc(x / 3)),
}


def view_of(image: np.ndarray, side: int, crop: int, interpolation: str) -> np.ndarray:
    """An image uint8 (H, W, 3), red first, squeezed to side × side, and its centre: uint8 (1, crop, crop, 3)."""
    height, width, _ = image.shape
    rows_first = height - side > max(2 * (width - side), 0)  # as Pillow does it
    turned = image.swapaxes(0, 1) if rows_first else image
    squeezed = resized(resized(turned, side, interpolation).swapaxes(0, 1), side, interpolation)
    inside = slice((side - crop) // 2, (side - crop) // 2 + crop)
    return (squeezed if rows_first else squeezed.swapaxes(0, 1))[None, inside, inside].astype(np.uint8)


def resized(image: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """An image (H, W, 3) with ``size`` columns."""
    width = image.shape[1]
    scale = width / size
    centre = (np.arange(size)[:, None] + 0.5) * scale
    if interpolation == "nearest":
        return image[:, np.cumsum([scale / 2] + [scale] * (size - 1)).astype(int)]  # added up, as Pillow does
    reach, kernel = KERNELS[interpolation]
    far = reach * max(scale, 1)
    first, end = np.maximum(centre - far + 0.5, 0).astype(int), np.minimum(centre + far + 0.5, width).astype(int)
    columns = first + np.arange((end - first).max())
    weights = np.where(columns < end, kernel(abs(columns - centre + 0.5) / max(scale, 1)), 0)
    whole = weights / weights.cumsum(1)[:, -1:] * 2**22  # Pillow computes with whole numbers
    whole = np.trunc(whole + np.copysign(0.5, whole)).astype(int)
    pairs = zip(columns.clip(max=width - 1).T, whole.T[..., None], strict=True)
    return np.clip((sum(image[:, column] * weight for column, weight in pairs) + 2**21) >> 22, 0, 255)
