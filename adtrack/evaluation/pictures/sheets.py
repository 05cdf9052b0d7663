"""Panels and contact sheets: images, masks and heatmaps side by side, with words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, sqrt

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adtrack.detectors.calibration import ColourRange
from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import RAMP, Heatmap, check_sizes, outline, overlay
from adtrack.palette import BLUE, GREY, LIGHT, VERMILION, YELLOW, rgb

PAPER, INK, FAINT = LIGHT.ground, LIGHT.ink, LIGHT.soft
GAP = 6
THUMB = 120
FRAME = 4
# By whether an image is anomalous and whether it raised an alarm: a word, and the colour of a frame.
VERDICTS = {
    (True, True): ("FOUND", rgb(BLUE)),
    (True, False): ("MISSED", rgb(VERMILION)),
    (False, True): ("FALSE ALARM", rgb(YELLOW)),
    (False, False): ("passed", rgb(GREY)),
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
    """The colours' legend: a bar from bright to dark with the patch score at both ends."""
    bar = Image.new("RGB", (44, height), PAPER)
    ramp = np.repeat(RAMP[np.linspace(255, 0, height).astype(int)][:, None], 8, axis=1)
    bar.paste(Image.fromarray(ramp), (0, 0))
    draw = ImageDraw.Draw(bar)
    draw.text((11, 0), f"{colours.high:.3g}", INK, font(10), anchor="lt")
    draw.text((11, height - 1), f"{colours.low:.3g}", INK, font(10), anchor="lb")
    return bar


def panel(
    image: np.ndarray, mask: np.ndarray | None, heatmap: Heatmap | None, caption: str, side: int = 256
) -> np.ndarray:
    """Pictures of an image side by side under a caption, uint8 (h, w, 3): the image, the image with an outline of its
    mask, the image under its heatmap and the scale of the heatmap's colours.

    What is None is left out. ``image`` is uint8 (H, W, 3), ``mask`` and the heatmap are (H, W); each is fitted into
    ``side`` × ``side``. Raises UserError if their sizes differ.
    """
    pictures = [fit(image, side)]
    if mask is not None:
        check_sizes(image, mask, "mask")
        pictures.append(outline(pictures[0], fit_mask(mask, side), width=2))
    if heatmap is not None:
        pictures.append(thumb(image, heatmap, side))
    height, width = pictures[0].shape[:2]
    legend = _scale(heatmap.colours, height) if heatmap is not None else Image.new("RGB", (0, height))
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


def thumb(image: np.ndarray, heatmap: Heatmap | None, side: int = THUMB) -> np.ndarray:
    """The image under its heatmap, if it has one, fitted into side × side.

    It is drawn at that size: that is much faster than to shrink a drawn one.
    """
    small = fit(image, side)
    if heatmap is None:
        return small
    check_sizes(image, heatmap.values, "anomaly map")
    return overlay(small, fit(heatmap.values.astype(np.float32), side), heatmap.colours)


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet, uint8 (H, W, 3), its caption, the truth and what the model says."""

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
        draw.rectangle((left, top, left + box - 1, top + box - 1), fill=LIGHT.panel, outline=colour, width=FRAME)
        picture = Image.fromarray(fit(tile.picture, THUMB))
        sheet.paste(picture, (left + (box - picture.width) // 2, top + (box - picture.height) // 2))
        draw.text((left, top + box + 3), word, INK if word != "passed" else FAINT, font(10))
        draw.text((left, top + box + 15), fitted(tile.caption, box, 10), FAINT, font(10))
    return np.asarray(sheet)
