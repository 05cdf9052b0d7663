"""Panels and contact sheets: images, masks and heatmaps side by side, with words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import RAMP, ColourRange, check_sizes, outline, overlay

PAPER, INK, FAINT = (255, 255, 255), (32, 32, 32), (112, 112, 112)
GAP = 6
THUMB = 120
FRAME = 4
# Colours that the colour-blind can tell apart (Okabe & Ito, 2008), and a word for whoever prints in grey.
VERDICTS = {
    (True, True): ("FOUND", (0, 114, 178)),
    (True, False): ("MISSED", (213, 94, 0)),
    (False, True): ("FALSE ALARM", (240, 228, 66)),
    (False, False): ("passed", (170, 170, 170)),
}


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, the same on every machine: Latin letters, but no minus sign, arrow or Greek."""
    return ImageFont.load_default(size=size)


def fitted(text: str, width: int, size: int) -> str:
    """The text, shortened in the middle if it is wider than ``width`` pixels: both ends of a path tell something."""
    kept, short = len(text), text
    while kept > 2 and font(size).getlength(short) > width:
        kept -= 1
        short = text[: ceil(kept / 2)] + "…" + text[len(text) - kept // 2 :]
    return short


def _shape_in(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Width and height of the largest picture of this shape's (H, W) aspect in side × side."""
    scale = side / max(shape[:2])
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def fit(image: np.ndarray, side: int) -> np.ndarray:
    """Image uint8 (H, W, 3) or map float (H, W) resized into side × side, aspect kept."""
    picture = Image.fromarray(image if image.dtype == np.uint8 else image.astype(np.float32))
    return np.asarray(picture.resize(_shape_in(image.shape, side), Image.Resampling.BILINEAR))


def fit_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """Mask (H, W) → bool, aspect kept: set where any defect pixel falls, so that a small defect does not vanish."""
    picture = Image.fromarray(np.uint8(255) * mask.astype(bool))
    return np.asarray(picture.resize(_shape_in(mask.shape, side), Image.Resampling.BOX)) > 0


def _scale(colours: ColourRange, height: int) -> Image.Image:
    """The colours' legend: a bright-to-dark bar with the patch distance at both ends."""
    bar = Image.new("RGB", (44, height), PAPER)
    ramp = np.repeat(RAMP[np.linspace(255, 0, height).astype(int)][:, None], 8, axis=1)
    bar.paste(Image.fromarray(ramp), (0, 0))
    draw = ImageDraw.Draw(bar)
    draw.text((11, 0), f"{colours.high:.3g}", INK, font(10), anchor="lt")
    draw.text((11, height - 1), f"{colours.low:.3g}", INK, font(10), anchor="lb")
    return bar


def panel(
    image: np.ndarray,
    mask: np.ndarray | None,
    anomaly_map: np.ndarray,
    colours: ColourRange,
    caption: str,
    side: int = 256,
) -> np.ndarray:
    """Image, image with the mask's outline (left out where mask is None) and overlay under a caption: uint8 (h, w, 3).

    ``image`` uint8 (H, W, 3), ``mask`` and ``anomaly_map`` (H, W), the latter NaN where the network did not see;
    each is fitted into ``side`` × ``side``. Raises UserError if their sizes differ.
    """
    pictures = [fit(image, side)]
    if mask is not None:
        check_sizes(image, mask, "mask")
        pictures.append(outline(pictures[0], fit_mask(mask, side), width=2))
    pictures.append(thumb(image, anomaly_map, colours, side))
    height, width = pictures[0].shape[:2]
    legend = _scale(colours, height)
    strip = 24
    row = GAP + len(pictures) * (width + GAP) + legend.width
    words = ceil(font(13).getlength(caption)) + 2 * GAP
    total = max(row, min(words, 3 * side))  # tall pictures alone would leave too little room for the caption
    sheet = Image.new("RGB", (total, strip + height + GAP), PAPER)
    for column, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (GAP + column * (width + GAP), strip))
    sheet.paste(legend, (row - legend.width, strip))
    text = fitted(caption, total - 2 * GAP, 13)
    ImageDraw.Draw(sheet).text((GAP, strip // 2), text, INK, font(13), anchor="lm")
    return np.asarray(sheet)


def thumb(image: np.ndarray, anomaly_map: np.ndarray, colours: ColourRange, side: int = THUMB) -> np.ndarray:
    """The overlay fitted into side × side, drawn at that size: much faster than to shrink a drawn one."""
    check_sizes(image, anomaly_map, "anomaly map")
    return overlay(fit(image, side), fit(anomaly_map.astype(np.float32), side), colours)


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet: overlay uint8 (H, W, 3), caption, the truth and what the model says."""

    picture: np.ndarray
    caption: str
    anomalous: bool
    alarm: bool


def contact_sheet(tiles: Sequence[Tile], columns: int | None = None) -> np.ndarray:
    """The tiles in rows, in the given order: uint8 (h, w, 3). Frame and word tell right from wrong calls."""
    if not tiles:
        raise UserError("a contact sheet needs at least one picture, but got none.")
    columns = columns or min(10, ceil(sqrt(1.5 * len(tiles))))
    cell = (THUMB + 2 * FRAME + GAP, THUMB + 2 * FRAME + GAP + 28)
    sheet = Image.new("RGB", (columns * cell[0] + GAP, ceil(len(tiles) / columns) * cell[1] + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        left, top = GAP + index % columns * cell[0], GAP + index // columns * cell[1]
        word, colour = VERDICTS[bool(tile.anomalous), bool(tile.alarm)]
        box = THUMB + 2 * FRAME
        draw.rectangle((left, top, left + box - 1, top + box - 1), fill=(244, 244, 244), outline=colour, width=FRAME)
        picture = Image.fromarray(fit(tile.picture, THUMB))
        sheet.paste(picture, (left + (box - picture.width) // 2, top + (box - picture.height) // 2))
        draw.text((left, top + box + 3), word, INK if word != "passed" else FAINT, font(10))
        draw.text((left, top + box + 15), fitted(tile.caption, box, 10), FAINT, font(10))
    return np.asarray(sheet)


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture uint8 (H, W, 3) as PNG, compressed lightly: the disk is cheaper than the wait."""
    Image.fromarray(picture).save(path, format="PNG", compress_level=1)
