"""Image files → checked pixels → the view that the network gets; and the way back to source pixels."""

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image

from .. import config
from ..config import ImageSpec
from ..errors import UserError
from ..progress import track
from .classes import ImageRecord
from .files import images_below
from .hush import hushed

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
MAX_PIXELS = 100_000_000
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)

_COLOUR_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_ORIENTATION = 0x0112  # the EXIF and TIFF tag
_UNTURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _read(source: Path | bytes | BinaryIO, name: str) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        if isinstance(source, Path) and source.exists() and not source.is_file():
            raise OSError("it is not a regular file")  # reading a named pipe would wait for ever
        return source.read_bytes() if isinstance(source, Path) else source.read()
    except OSError as error:
        raise UserError(f"image must be readable, but {name} is not ({error.strerror or error}).") from error


def _load(data: bytes, name: str) -> Image.Image:
    """The first frame of an encoded image, its pixels decoded, in the order in which they are stored.

    An orientation tag is not applied: masks are separate files without the tag, drawn for the stored pixels.
    Pillow turns TIFFs by itself while loading them; they are turned back.
    """
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} × {height} pixels")
    if width * height == 0:
        raise UserError(f"image must have pixels, but {name} is {width} × {height}.")
    turned = image.getexif().get(_ORIENTATION) if image.format == "TIFF" else None
    image.load()
    return image.transpose(_UNTURN[turned]) if turned in _UNTURN else image


def _too_large(name: str, what: str) -> UserError:
    return UserError(
        f"image must have at most {MAX_PIXELS // 1_000_000} megapixels, but {name} has {what}.",
        "Cut or shrink it.",
    )


def _rgb(image: Image.Image, name: str) -> np.ndarray:
    if image.mode.startswith("I;16"):
        # 65535 / 257 = 255: the full range is kept. How many of the 16 bits a camera used, no file says.
        grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode not in _COLOUR_MODES:
        raise UserError(
            f"image must be grey or colour with 8 or 16 bits a channel, but {name} has the pixel format {image.mode}.",
            "Scale it to 8 bits and save it as PNG.",
        )
    if not image.has_transparency_data:
        return np.array(image.convert("RGB"))
    # The colour stored under a transparent pixel is arbitrary and nobody sees it: it goes on black.
    rgba = np.asarray(image.convert("RGBA")).astype(np.uint16)
    return ((rgba[..., :3] * rgba[..., 3:] + 127) // 255).astype(np.uint8)


def _marked(image: Image.Image, name: str) -> np.ndarray:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image) != 0
    return (np.asarray(image.convert("RGBA"))[..., :3] != 0).any(axis=2)


def _decoded(
    pixels: Callable[[Image.Image, str], np.ndarray], source: Path | bytes | BinaryIO, name: str
) -> np.ndarray:
    name = name or (source.as_posix() if isinstance(source, Path) else "the image")
    data = _read(source, name)
    try:
        with hushed:
            return pixels(_load(data, name), name)
    except UserError:
        raise
    except Image.UnidentifiedImageError as error:
        raise UserError(f"image must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, but {name} is none.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, "far more") from error
    except Exception as error:  # Pillow raises nearly anything on hostile bytes: OSError, SyntaxError, struct.error, …
        raise UserError(f"image must be readable, but {name} is corrupt or truncated ({error}).") from error


def decode(source: Path | bytes | BinaryIO, name: str = "") -> np.ndarray:
    """An encoded image as uint8 RGB (H, W, 3); ``name`` is what errors call it.

    Grey is repeated; 16-bit grey is scaled by 1/257; transparent pixels go on black; of several frames the first
    counts; an orientation tag is not applied. UserError: not readable as PNG, JPEG, BMP or TIFF, more than
    ``MAX_PIXELS``, or 32-bit pixels.
    """
    return _decoded(_rgb, source, name)


def decode_mask(source: Path | bytes | BinaryIO, name: str = "") -> np.ndarray:
    """A mask file as bool (H, W): a pixel is anomalous if any of its colour channels is not 0; alpha does not count.

    The masks of a folder are one, their union, as MVTec LOCO has it. UserError: as for ``decode``, or they differ in
    size.
    """
    if not isinstance(source, Path) or not source.is_dir():
        return _decoded(_marked, source, name)
    parts = [(f"{name}/{file.name}", _decoded(_marked, file, f"{name}/{file.name}")) for file in images_below(source)]
    if not parts:
        raise UserError(f"a folder of masks must hold at least one, but {name} holds none.")
    (first_name, first), *others = parts
    for other_name, other in others:
        if other.shape != first.shape:
            raise UserError(
                f"the masks of one image must have one size, but {other_name} has {_size(other)} pixels and "
                f"{first_name} {_size(first)}."
            )
    return np.logical_or.reduce([mask for _, mask in parts])


def content_digest(file: Path, name: str = "") -> str:
    """SHA-256 of a file's bytes; of a folder of masks, over the names and SHA-256s of its files."""
    if not file.is_dir():
        return hashlib.sha256(_read(file, name)).hexdigest()
    parts = {part.name: content_digest(part, f"{name}/{part.name}") for part in images_below(file)}
    return config.digest(parts)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} × {pixels.shape[0]}"


def _crop_offset(spec: ImageSpec) -> int:
    return (spec.resize - spec.size) // 2


def view(image: np.ndarray, spec: ImageSpec) -> torch.Tensor:
    """What the network gets of an image uint8 (H, W, 3): float32 (3, S, S), normalised as for ImageNet.

    The whole image is squeezed to resize × resize (bilinear, antialiased), then its central crop is taken.
    """
    squeezed = Image.fromarray(image).resize((spec.resize, spec.resize), Image.Resampling.BILINEAR)
    inside = slice(_crop_offset(spec), _crop_offset(spec) + spec.size)
    pixels = np.asarray(squeezed)[inside, inside].astype(np.float32) / np.float32(255)
    return torch.from_numpy(((pixels - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1).copy())


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


def _check(root: Path, record: ImageRecord) -> dict[str, str]:
    """Path → SHA-256 of an image and its mask, after both could be decoded and have one size."""
    data = _read(root / record.path, record.path)
    digests = {record.path: hashlib.sha256(data).hexdigest()}
    image = decode(data, record.path)
    if record.mask is not None:
        digests[record.mask] = content_digest(root / record.mask, record.mask)
        mask = decode_mask(root / record.mask, record.mask)
        if mask.shape != image.shape[:2]:
            raise UserError(
                f"a mask must have its image's size, but {record.mask} has {_size(mask)} pixels and {record.path} "
                f"{_size(image)}."
            )
    return digests


def check_images(root: Path, records: Sequence[ImageRecord]) -> dict[str, str]:
    """Decode every image and mask and return path → SHA-256 of the file's bytes, masks included.

    UserError names the first image in path order that is corrupt, or whose mask is or has another size.
    """
    ordered = sorted(records, key=lambda record: record.path)
    digests: dict[str, str] = {}
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        checked = pool.map(lambda record: _check(Path(root), record), ordered)
        for found in track(checked, "Checking images", len(ordered)):
            digests.update(found)
    finally:
        pool.shutdown(cancel_futures=True)
    return digests
