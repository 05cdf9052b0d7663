"""Anomaly maps as colours: one fixed range a model, so that equal distances look alike in every picture.

A range of each picture's own would paint a defect into every good image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from adtrack.errors import UserError

# Ten equidistant colours of the perceptually uniform ramp "inferno" (S. van der Walt, N. Smith, 2015; CC0).
ANCHORS = "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4"
UNSEEN = 128  # grey of the pixels that the network did not see
DIMMED = 0.6  # and their brightness in an overlay
CONTOUR = (0, 255, 255)
MOST_PIXELS = 100_000  # of one map; more would not move a quantile visibly


def _ramp() -> np.ndarray:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in ANCHORS.split()], dtype=np.float64)
    steps = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(steps, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


RAMP = _ramp()  # uint8 (256, 3)
# Of each step of the ramp, float32 (256,): ordinary texture stays as it is, then the heat sets in softly.
OPACITY = (0.8 * np.clip((np.linspace(0, 1, 256) - 0.15) / 0.35, 0, 1)).astype(np.float32)


@dataclass(frozen=True)
class ColourRange:
    """The patch distances at the dark and at the bright end of the colours."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low < self.high < np.inf:
            raise UserError(f"a colour range must rise between finite ends, but got {self.low} to {self.high}.")

    def level(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Where in the range: a new array of values in [0, 1] of the map's shape; NaN stays NaN."""
        return np.clip((anomaly_map - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class Heatmap:
    """An anomaly map (H, W), NaN where the network did not see, and the range that its colours stand for."""

    values: np.ndarray
    colours: ColourRange


def colour_range(maps_of_normal: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> ColourRange:
    """The range of a model from its Val-clean maps (H×W, NaN = not seen): the normal images' ones, and all of them.

    The dark end is the median normal pixel, the bright end the 99.5 % quantile of all pixels; but the 99.5 %
    quantile of the normal pixels stays in the darker half, so that ordinary texture never glows.
    """
    normal, everything = _seen(maps_of_normal), _seen(maps)
    low, normal_high = (float(value) for value in np.quantile(normal, (0.5, 0.995)))
    high = max(float(np.quantile(everything, 0.995)), low + 2 * (normal_high - low))
    return ColourRange(low, max(high, low + max(1e-3 * abs(low), 1e-6)))  # constant maps need some width too


def _seen(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Finite pixels of the maps as float64, thinned out evenly where a map is large."""
    pixels = [np.empty(0)]
    for anomaly_map in maps:
        step = max(1, int(np.ceil(np.sqrt(anomaly_map.size / MOST_PIXELS))))
        thinned = anomaly_map[::step, ::step]
        pixels.append(thinned[np.isfinite(thinned)].astype(np.float64))
    together = np.concatenate(pixels)
    if not together.size:
        raise UserError(f"a colour range needs pixels with a score, but the {len(maps)} maps hold none.")
    return together


def colourise(anomaly_map: np.ndarray, colours: ColourRange) -> np.ndarray:
    """Map (H, W) → picture uint8 (H, W, 3), dark to bright; pixels that are NaN become grey."""
    step, unseen = _steps(anomaly_map, colours)
    picture = RAMP[step]
    picture[unseen] = UNSEEN
    return picture


def overlay(image: np.ndarray, anomaly_map: np.ndarray, colours: ColourRange) -> np.ndarray:
    """Image uint8 (H, W, 3) under its map (H, W): untouched where the map is low, coloured where it is high.

    Pixels whose map is NaN, outside the network's view, show the image in dimmed grey and never a colour.
    Raises UserError if the sizes differ.
    """
    check_sizes(image, anomaly_map, "anomaly map")
    step, unseen = _steps(anomaly_map, colours)
    picture = np.rint(image * (1 - OPACITY)[step][..., None] + (RAMP * OPACITY[:, None])[step]).astype(np.uint8)
    picture[unseen] = image[unseen].mean(axis=-1, keepdims=True) * DIMMED
    return picture


def _steps(anomaly_map: np.ndarray, colours: ColourRange) -> tuple[np.ndarray, np.ndarray]:
    """Index into the ramp, uint8, and where the map is NaN (there the index is 0), both (H, W)."""
    level = colours.level(anomaly_map)
    unseen = np.isnan(level)
    level[unseen] = 0.0
    return np.rint(level * 255).astype(np.uint8), unseen


def outline(image: np.ndarray, mask: np.ndarray, width: int = 1) -> np.ndarray:
    """Image uint8 (H, W, 3) with a line of ``width`` pixels around the mask's (H, W, non-zero = defect) regions.

    The line runs outside, so that a defect of one pixel stays visible; along the picture's edge it runs inside.
    Raises UserError if the sizes differ.
    """
    check_sizes(image, mask, "mask")
    picture = image.copy()
    region = np.asarray(mask).astype(bool)
    if region.any():
        square = np.ones((3, 3), dtype=bool)
        grown = ndimage.binary_dilation(region, square, iterations=width)
        picture[grown & ~ndimage.binary_erosion(grown, square, iterations=width)] = CONTOUR
    return picture


def check_sizes(image: np.ndarray, plane: np.ndarray, what: str) -> None:
    """Refuse a plane (H, W) that does not belong to the image (H, W, 3)."""
    if image.ndim != 3 or image.shape[2] != 3 or image.shape[:2] != np.shape(plane):
        raise UserError(
            f"image (H, W, 3) and {what} (H, W) must have one size, but got {image.shape} and {np.shape(plane)}."
        )
