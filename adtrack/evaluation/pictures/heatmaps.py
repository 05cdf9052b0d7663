"""Anomaly maps as colours. A model has one fixed range of them, so that equal scores look alike in every picture: if
each picture had a range of its own, there would be a defect in every good image."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from adtrack.detectors.calibration import ColourRange
from adtrack.detectors.scorer import Judgement, Scorer
from adtrack.errors import UserError

# Ten equidistant colours of the perceptually uniform ramp "inferno" (S. van der Walt, N. Smith, 2015; CC0).
ANCHORS = "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4"
DIMMED = 0.6  # brightness of the pixels that the network did not see
CONTOUR = (0, 255, 255)


def _ramp() -> np.ndarray:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in ANCHORS.split()], dtype=np.float64)
    steps = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(steps, np.arange(len(anchors)), channel) for channel in anchors.T]
    ramp: np.ndarray = np.rint(np.stack(columns, axis=1)).astype(np.uint8)
    return ramp


RAMP = _ramp()  # uint8 (256, 3)
# How opaque each step of the ramp is, float32 (256,): ordinary texture stays as it is, then the heat sets in softly.
OPACITY = (0.8 * np.clip((np.linspace(0, 1, 256) - 0.15) / 0.35, 0, 1)).astype(np.float32)


@dataclass(frozen=True)
class Heatmap:
    """An anomaly map (H, W), NaN where the network did not see, and the range that its colours stand for."""

    values: np.ndarray
    colours: ColourRange


def judged_overlay(scorer: Scorer, judged: Judgement, image: np.ndarray) -> np.ndarray | None:
    """An image uint8 (H, W, 3), of any size, under the anomaly map of its judgement; None if the method has no maps."""
    anomaly_map = scorer.map(judged, image.shape[0], image.shape[1])
    colours = scorer.calibration.colours
    return None if anomaly_map is None or colours is None else overlay(image, anomaly_map, colours)


def overlay(image: np.ndarray, anomaly_map: np.ndarray, colours: ColourRange) -> np.ndarray:
    """Image uint8 (H, W, 3) under its map (H, W): untouched where the map is low, coloured where it is high.

    Pixels whose map is NaN, outside the network's view, show the image in dimmed grey and never a colour.
    Raises UserError if the sizes differ.
    """
    check_sizes(image, anomaly_map, "anomaly map")
    step, unseen = _steps(anomaly_map, colours)
    picture: np.ndarray = image.copy()
    place = step.astype(np.uint16) << 8
    for channel, blended in enumerate(_blended()):
        picture[..., channel] = blended.take(place | image[..., channel])
    if unseen.any():
        picture[unseen] = image[unseen].mean(axis=-1, keepdims=True) * DIMMED
    return picture


@lru_cache(1)
def _blended() -> np.ndarray:
    """A channel's values under the heat, uint8 (3, 65536): by the channel, the step of the ramp and the value."""
    values = np.arange(256, dtype=np.uint8)[:, None] * (1 - OPACITY)[:, None, None]
    blended = np.rint(values + (RAMP * OPACITY[:, None])[:, None]).astype(np.uint8)
    by_channel: np.ndarray = np.moveaxis(blended, 2, 0).reshape(3, -1).copy()
    return by_channel


def _steps(anomaly_map: np.ndarray, colours: ColourRange) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's step of the ramp, uint8, and whether its map is NaN (then the step is 0), both (H, W)."""
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
