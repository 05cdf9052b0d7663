"""An image file's bytes → decoded pixels, as they are stored or as a viewer shows them."""

import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from ..errors import UserError
from .hush import hushed

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
MAX_PIXELS = 100_000_000
UPRIGHT = 1  # the orientation of an image that is shown as it is stored
SIDEWAYS = (5, 6, 7, 8)  # the orientations in which height and width change places

_ORIENTATION = 0x0112  # the EXIF and TIFF tag
_DEEP = re.compile(";1[26]")  # in Pillow's names of how pixels are stored
# What a viewer does with stored pixels (H, W, …) that have an orientation tag.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
_UNDONE_BY = {6: 8, 8: 6}  # the tag that undoes a turn; the others undo themselves

Result = TypeVar("Result")


@dataclass(frozen=True)
class Frame:
    """The first frame of a file. Pillow turns TIFFs by itself (``is_turned``); other formats lie as they are stored.

    ``is_deep``: the file has 16 bits a channel. ``deep`` holds these as uint16 (H, W, C) and lies as ``image`` does. It
    is None for the few colour spaces of which Pillow reads the upper 8 bits only.
    """

    image: Image.Image
    name: str
    orientation: int
    is_turned: bool
    is_deep: bool
    deep: np.ndarray | None

    def placed(self, pixels: np.ndarray, upright: bool) -> np.ndarray:
        """Pixels (H, W, …) of ``image`` as a viewer shows them or, not ``upright``, as they are stored."""
        if upright == self.is_turned:
            return pixels
        return turned(pixels, self.orientation if upright else _UNDONE_BY.get(self.orientation, self.orientation))

    def size(self, upright: bool) -> tuple[int, int]:
        """Height and width."""
        height, width = self.image.height, self.image.width
        return (width, height) if upright != self.is_turned and self.orientation in SIDEWAYS else (height, width)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, …) as a viewer shows them. A tag that is none of the eight changes nothing."""
    return np.ascontiguousarray(_TURNS[orientation](pixels)) if orientation in _TURNS else pixels


def read_bytes(source: Path | bytes | BinaryIO, name: str) -> bytes:
    """The bytes of a file. UserError: it can't be read."""
    if isinstance(source, bytes):
        return source
    try:
        if isinstance(source, Path) and source.exists() and not source.is_file():
            raise OSError("it is not a regular file")  # reading a named pipe would wait for ever
        return source.read_bytes() if isinstance(source, Path) else source.read()
    except OSError as error:
        raise UserError(f"image must be readable, but {name} is not ({error.strerror or error}).") from error


def decoded(
    pixels: Callable[[Frame], Result], source: Path | bytes | BinaryIO, name: str, most: int = MAX_PIXELS
) -> Result:
    """What ``pixels`` makes of a file's frame.

    UserError: the file is not readable as an image of ``FORMATS``, or has more than ``most`` pixels, which is noticed
    before they are decoded.
    """
    name = name or (source.as_posix() if isinstance(source, Path) else "the image")
    data = read_bytes(source, name)
    try:
        with hushed:
            return pixels(_load(data, name, most))
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"image must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, but {name} is none.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, "far more", most) from error
    except Exception as error:  # Pillow raises nearly anything on hostile bytes: OSError, SyntaxError, struct.error, …
        raise UserError(f"image must be readable, but {name} is corrupt or truncated ({error}).") from error


def _load(data: bytes, name: str, most: int) -> Frame:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > most:
        raise _too_large(name, f"{width} × {height} pixels", most)
    if width * height == 0:
        raise UserError(f"image must have pixels, but {name} is {width} × {height}.")
    is_turned, has_depth, layout = image.format == "TIFF", is_deep(image), _layout(image.tile[0].args)
    orientation = orientation_of(image) if is_turned else UPRIGHT  # Pillow forgets the tag once it has turned a TIFF
    image.load()
    if not is_turned:
        orientation = orientation_of(image)  # a PNG may hold the tag behind its pixels
    deep = _deep(image, layout, data) if has_depth else None
    return Frame(image, name, orientation, is_turned, has_depth, deep)


def orientation_of(image: Image.Image) -> int:
    """The tag, 1 to 8, that says how a viewer turns the image; 1 where there is none or it cannot be read."""
    try:
        found = image.getexif().get(_ORIENTATION, UPRIGHT)
    except Exception:  # Pillow raises nearly anything on hostile bytes; a viewer shows such an image as it is stored
        return UPRIGHT
    return found if found in _TURNS else UPRIGHT


def file_orientation(source: Path | BinaryIO) -> int:
    """The tag of a file; 1 if it cannot be read."""
    try:
        with hushed, Image.open(source, formats=FORMATS) as image:
            return orientation_of(image)
    except Exception:  # as above; decoding the image will tell what is wrong with it
        return UPRIGHT


def is_deep(image: ImageFile) -> bool:
    """Whether the file of an image that is not decoded yet has 16 bits a channel."""
    # BGR;16 of a BMP means 16 bits for all three channels of a pixel together.
    return image.format in ("PNG", "TIFF") and any(_DEEP.search(_layout(tile.args)) for tile in image.tile)


def _layout(arguments: object) -> str:
    """How a part of the file holds its pixels, from its arguments in Pillow: ``RGB;16B`` has the upper byte first."""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _deep(image: Image.Image, layout: str, data: bytes) -> np.ndarray | None:
    """All 16 bits of a frame, uint16 (H, W, C); None for colours whose lower byte Pillow cannot give."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[:, :, None]
    base, _, order = layout.partition(";16")
    if base not in ("RGB", "RGBA"):
        return None
    # Pillow reads the upper byte of each colour. When it is told the other order of bytes, it reads the lower one.
    upper_first = order == "B" or (order == "N" and sys.byteorder == "big")
    lower = Image.open(io.BytesIO(data), formats=FORMATS)
    turned_round = f"{base};16{'L' if upper_first else 'B'}"
    lower.tile = [
        tile._replace(args=(turned_round, *tile.args[1:]) if isinstance(tile.args, tuple) else turned_round)
        for tile in lower.tile
    ]
    both: np.ndarray = np.asarray(image).astype(np.uint16) * 256 + np.asarray(lower)
    return both


def _too_large(name: str, what: str, most: int) -> UserError:
    return UserError(
        f"image must have at most {most / 1_000_000:g} megapixels, but {name} has {what}.",
        "Cut or shrink it.",
    )
