"""Mask files → which pixels are anomalous, whatever program has written the files."""

import hashlib
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from .. import config
from ..errors import UserError
from .checked import MaskFacts
from .decoding import Frame, decoded, read_bytes
from .files import images_below
from .reading import Reading

_NUMBERS = 16  # smaller values number kinds of defects: as shades they would be invisible to who draws them
_AS_SHOWN = Reading()


def decode_mask(source: Path | bytes | BinaryIO, name: str = "", reading: Reading = _AS_SHOWN) -> np.ndarray:
    """A mask file as bool (H, W), which lies as ``reading`` says.

    A pixel is anomalous if its brightest channel is above half of the mask's maximum. So what JPEG leaves beside an
    edge and the paler half of a smooth edge do not count. Palettes with colours, and values below 16, number kinds of
    defects: there all but black (0) counts. Where a single colour is drawn on transparency, the alpha channel is the
    mask; other invisible pixels are black. The masks of a folder are one mask, their union, as in MVTec LOCO.
    UserError: the file is not readable, it is marked all over although several colours are drawn, or the masks of a
    folder have several sizes.
    """
    if not isinstance(source, Path) or not source.is_dir():
        return decoded(partial(_mask, reading=reading), source, name)
    parts = [(part, decode_mask(file, part, reading)) for part, file in mask_files(source, name).items()]
    (first_name, first), *others = parts
    for other_name, other in others:
        if other.shape != first.shape:
            raise UserError(
                f"the masks of one image must have one size, but {other_name} has {_size(other)} pixels and "
                f"{first_name} {_size(first)}."
            )
    union: np.ndarray = np.logical_or.reduce([mask for _, mask in parts])
    return union


def mask_files(mask: Path, name: str) -> dict[str, Path]:
    """The file of a mask, or those of its folder, by their names in messages. UserError: the folder is empty."""
    if not mask.is_dir():
        return {name: mask}
    files = {f"{name}/{file.name}": file for file in images_below(mask)}
    if not files:
        raise UserError(f"a folder of masks must hold at least one, but {name} holds none.")
    return files


def content_digest(file: Path, name: str = "") -> str:
    """SHA-256 of a file's bytes; of a folder of masks, over the names and SHA-256s of its files."""
    if not file.is_dir():
        return hashlib.sha256(read_bytes(file, name)).hexdigest()
    return config.digest({part.name: content_digest(part, f"{name}/{part.name}") for part in images_below(file)})


def _size(mask: np.ndarray) -> str:
    return f"{mask.shape[1]} × {mask.shape[0]}"


def _mask(frame: Frame, reading: Reading) -> np.ndarray:
    return frame.placed(_marked(frame)[0], reading.upright)


def _marked(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of a frame are marked, bool (H, W), and its brightest channel (H, W). Both lie as the frame does."""
    channels, colours = _channels(frame)
    brightest = channels.max(axis=2)
    found = brightest > _limit(frame.image, float(brightest.max()), colours)
    if found.all() and (np.ptp(channels, axis=(0, 1)) > channels.max() / 2).any():
        raise UserError(
            f"a mask must be black where the part is good, but {frame.name} has several colours and no black.",
            "save it as white on black.",
        )
    return found, brightest


def _limit(image: Image.Image, most: float, colours: bool) -> float:
    """The value above which pixels are marked; ``most`` is the largest value."""
    if most < _NUMBERS and image.format == "JPEG":
        return most  # JPEG cannot hold numbers: such values are noise
    numbers = most < _NUMBERS and image.mode != "F"  # in mode F white is often 1
    return 0 if colours or numbers else most / 2


def _channels(frame: Frame) -> tuple[np.ndarray, bool]:
    """What is drawn, as numbers (H, W, C), and whether these are colours of a palette, which number defects."""
    image = frame.image
    if frame.deep is not None:
        channels = frame.deep.shape[2]
        if channels % 2:
            return frame.deep, False
        return _seen(frame.deep[:, :, :-1], frame.deep[:, :, -1:]), False
    if image.mode in ("I", "F"):
        return np.nan_to_num(np.asarray(image, dtype=np.float64))[:, :, None], False
    if _is_grey(image):
        return np.asarray(image.convert("L"))[:, :, None], False
    rgba = np.asarray(image.convert("RGBA"))
    channels = rgba[:, :, :3]
    if image.has_transparency_data:
        channels = _seen(channels, rgba[:, :, 3:])
    return channels, image.mode in ("P", "PA") and bool((channels != channels[:, :, :1]).any())


def _seen(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The channels that tell what is marked, of ``colours`` (H, W, C) and ``alpha`` (H, W, 1).

    They are ``alpha`` where only one colour is drawn, or where only one is visible and it is not black. Else they are
    the colours, with black where alpha hides them. Alpha that is the same everywhere is ignored.
    """
    if alpha.min() == alpha.max():
        return colours
    visible = colours[alpha[:, :, 0] > alpha.max() / 8]  # the colour of paler edges may be mixed with another
    drawn = visible if visible[0].any() else colours.reshape(-1, colours.shape[2])
    if (drawn == drawn[0]).all():
        return alpha
    return np.where(alpha > 0, colours, 0) if visible.any() else colours


def mask_facts(frame: Frame, upright: bool) -> MaskFacts:
    """The facts of a mask's frame."""
    found, brightest = _marked(frame)
    between = (brightest > brightest.max() / 8) & ~found
    if between.any():  # smooth edges, whose grey is not even, do not count
        between &= maximum_filter(brightest, 3) == minimum_filter(brightest, 3)
    lies_as_first = np.array_equal(frame.placed(found, upright), frame.placed(_not_black(frame), False))
    return MaskFacts(float(found.mean()), float(between.mean()), lies_as_first)


def _not_black(frame: Frame) -> np.ndarray:
    image = frame.image
    if image.mode in ("I", "F") or image.mode.startswith("I;16") or _is_grey(image):
        values = np.asarray(image)[:, :, None]
    else:
        values = np.asarray(image.convert("RGBA"))[:, :, :3]
    drawn: np.ndarray = (values != 0).any(axis=2)
    return drawn


def _is_grey(image: Image.Image) -> bool:
    """Whether the image holds grey of 8 bits or fewer and nothing else, as nearly every mask does.

    Such images are read as one channel: three equal ones would take four times as long.
    """
    return image.mode in ("1", "L") and not image.has_transparency_data
