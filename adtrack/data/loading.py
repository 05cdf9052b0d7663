"""Image files → checked pixels → the view that the network gets; and the way back to source pixels."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from ..config import BILINEAR, INTERPOLATIONS, ImageSpec, Normalisation
from ..errors import UserError
from .decoding import MAX_PIXELS, Frame, decoded
from .reading import Reading

_RESAMPLING = {name: Image.Resampling[name.upper()] for name in INTERPOLATIONS}
_COLOUR_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_AS_SHOWN = Reading()


def check_mode(frame: Frame) -> None:
    """Refuse pixels that are not shades: nothing says which value of 32-bit numbers is white."""
    mode = frame.image.mode
    if not mode.startswith("I;16") and mode not in _COLOUR_MODES:
        raise UserError(
            f"image must be grey or colour with 8 or 16 bits a channel, but {frame.name} has the pixel format {mode}.",
            "Scale it to 8 bits and save it as PNG.",
        )


def rgb(frame: Frame, reading: Reading) -> np.ndarray:
    """The pixels of a frame, uint8 (H, W, 3). UserError: they have more bits than ``reading`` has."""
    check_mode(frame)
    image = frame.image
    pixels = reading.eight_bits(frame) if frame.is_deep else np.array(image.convert("RGB"))
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    if image.has_transparency_data and not image.mode.startswith("I;16"):
        # The colour stored under a transparent pixel is arbitrary, and no viewer shows it: pixels are laid on black.
        alpha = np.asarray(image.convert("RGBA"))[..., 3:].astype(np.uint16)
        pixels = ((pixels * alpha + 127) // 255).astype(np.uint8)
    return frame.placed(pixels, reading.upright)


def decode(
    source: Path | bytes | BinaryIO, name: str = "", reading: Reading = _AS_SHOWN, most: int = MAX_PIXELS
) -> np.ndarray:
    """An encoded image as uint8 RGB (H, W, 3); ``name`` is its name in messages.

    Grey is repeated. 16 bits are scaled to 8, and an orientation tag is applied, as ``reading`` says. Transparent
    pixels are laid on black. Of several frames the first counts. UserError: the image is not readable as PNG, JPEG, BMP
    or TIFF, has more than ``most`` pixels, 32-bit pixels, or more bits than ``reading`` has.
    """
    return decoded(partial(rgb, reading=reading), source, name, most)


def _crop_offset(spec: ImageSpec) -> int:
    return (spec.resize - spec.size) // 2


def view(image: np.ndarray, spec: ImageSpec) -> torch.Tensor:
    """What the network gets of an image uint8 (H, W, 3): float32 (3, S, S)."""
    return torch.from_numpy(normalised(squeezed(image, spec), spec))


def squeezed(image: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """The whole image (H, W, 3) squeezed to resize × resize (antialiased; bilinear if ``spec`` says no more), then its
    central crop: uint8 (S, S, 3)."""
    whole = Image.fromarray(image).resize((spec.resize, spec.resize), _RESAMPLING[spec.interpolation or BILINEAR])
    inside = slice(_crop_offset(spec), _crop_offset(spec) + spec.size)
    return np.asarray(whole)[inside, inside].copy()


def normalised(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Pixels uint8 (S, S, 3) → float32 (3, S, S), smoothed, and with ImageNet's normalisation if ``spec`` names
    none."""
    normalisation = spec.normalisation or Normalisation()
    mean, std = (np.array(values, dtype=np.float32) for values in (normalisation.mean, normalisation.std))
    scaled = pixels.astype(np.float32) / np.float32(255)
    if spec.smooth:
        scaled = gaussian_filter(scaled, (spec.smooth, spec.smooth, 0), mode="reflect")
    return ((scaled - mean) / std).transpose(2, 0, 1).copy()


@dataclass(frozen=True)
class Footprint:
    """The source pixels whose centres lie inside the view: rows [top, bottom), columns [left, right)."""

    top: int
    left: int
    bottom: int
    right: int


def _inside(length: int, spec: ImageSpec) -> tuple[int, int]:
    """First and one past the last source pixel x with offset ≤ (x + ½) · resize / length ≤ offset + S, in integers."""
    low = 2 * length * _crop_offset(spec) - spec.resize
    high = 2 * length * (_crop_offset(spec) + spec.size) - spec.resize
    return -(-low // (2 * spec.resize)), min(high // (2 * spec.resize) + 1, length)


def footprint(height: int, width: int, spec: ImageSpec) -> Footprint:
    """Which pixels of a source image of this size the view shows."""
    (top, bottom), (left, right) = _inside(height, spec), _inside(width, spec)
    return Footprint(top, left, bottom, right)


def view_coordinates(length: int, spec: ImageSpec) -> np.ndarray:
    """Where the footprint's source pixels along a side of ``length`` lie in the view: float64 (n,) in [-½, S - ½].

    Pixel centres are half-integers on both scales: v = (x + ½) · resize / length - ½ - offset.
    """
    first, end = _inside(length, spec)
    return (np.arange(first, end) + 0.5) * spec.resize / length - 0.5 - _crop_offset(spec)
