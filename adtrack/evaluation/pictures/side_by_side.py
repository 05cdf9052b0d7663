"""The same images as several banks see them, side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from adtrack.detectors.scorer import Judgement, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import ColourRange, outline, overlay
from adtrack.evaluation.pictures.sheets import FAINT, GAP, INK, PAPER, VERDICTS, fit, fit_mask, fitted, font
from adtrack.evaluation.workbench import Workbench

SIDE = 128  # of a picture in pixels
_WORDS, _FRAME = 30, 3


@dataclass(frozen=True)
class Look:
    """What one bank makes of an image: overlay uint8 (H, W, 3), its score and its threshold."""

    overlay: np.ndarray
    score: float
    threshold: float


@dataclass(frozen=True)
class ComparedImage:
    """An image uint8 (h, w, 3), its mask bool (h, w) or None, what it is called, the truth, and a look a bank."""

    image: np.ndarray
    mask: np.ndarray | None
    name: str
    anomalous: bool
    looks: Sequence[Look]


def comparison_sheet(rows: Sequence[ComparedImage], banks: Sequence[str]) -> np.ndarray:
    """A row an image, a column a bank, headed by ``banks``, after the image itself: uint8 (h, w, 3).

    Frame and word tell right from wrong calls; ``\\n`` breaks a heading.
    """
    if not rows or any(len(row.looks) != len(banks) for row in rows):
        raise UserError("a comparison needs at least one image, and a look at each by every bank.")
    cell, line = SIDE + 2 * _FRAME + GAP, SIDE + 2 * _FRAME + _WORDS + GAP
    top = GAP + 14 * max(1 + name.count("\n") for name in banks) + GAP
    sheet = Image.new("RGB", (GAP + cell * (1 + len(banks)), top + line * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(banks, start=1):
        for at, part in enumerate(name.split("\n")):
            draw.text((GAP + column * cell, GAP + 14 * at), fitted(part, SIDE, 11), INK, font(11))
    for index, row in enumerate(rows):
        _draw_row(sheet, draw, row, top + index * line, cell)
    return np.asarray(sheet)


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: ComparedImage, top: int, cell: int) -> None:
    picture = fit(row.image, SIDE)
    if row.mask is not None and row.mask.any():
        picture = outline(picture, fit_mask(row.mask, SIDE), width=2)
    _paste(sheet, picture, GAP, top)
    below = top + SIDE + 2 * _FRAME + 2
    draw.text((GAP, below), fitted(row.name, SIDE, 10), FAINT, font(10))
    for column, look in enumerate(row.looks, start=1):
        left = GAP + column * cell
        word, colour = VERDICTS[row.anomalous, look.score >= look.threshold]
        box = SIDE + 2 * _FRAME
        draw.rectangle((left, top, left + box - 1, top + box - 1), outline=colour, width=_FRAME)
        _paste(sheet, fit(look.overlay, SIDE), left, top)
        draw.text((left, below), word, INK if word != "passed" else FAINT, font(10))
        draw.text((left, below + 12), f"{look.score:.4g} of {look.threshold:.4g}", FAINT, font(10))


def _paste(sheet: Image.Image, picture: np.ndarray, left: int, top: int) -> None:
    """In the middle of its frame."""
    height, width = picture.shape[:2]
    sheet.paste(Image.fromarray(picture), (left + _FRAME + (SIDE - width) // 2, top + _FRAME + (SIDE - height) // 2))


def look(scorer: Scorer, judged: Judgement, image: np.ndarray) -> Look:
    """What a scorer makes of an image uint8 (h, w, 3), of any size, that it has judged; colours are its own range.

    Patch distances of different layers have no common scale: in every column the dark end is the median good pixel of
    Val-clean and the bright end its 99.5 % quantile of all pixels.
    """
    small = fit(image, SIDE)
    colours = ColourRange(scorer.calibration.colour_low, scorer.calibration.colour_high)
    picture = overlay(small, scorer.map(judged, *small.shape[:2]), colours)
    return Look(picture, judged.score, judged.threshold)


def compare(bench: Workbench, scorers: Iterable[Scorer], chosen: Sequence[tuple[str, int]]) -> list[ComparedImage]:
    """What each scorer makes of the ``chosen`` images, (image set, place in it), by the bench's features of them."""
    columns = [[_look(bench, scorer, name, index) for name, index in chosen] for scorer in scorers]
    return [
        _compared(bench, name, index, [column[row] for column in columns]) for row, (name, index) in enumerate(chosen)
    ]


def _look(bench: Workbench, scorer: Scorer, name: str, index: int) -> Look:
    scores = scorer.detector.score(bench.features(name).chunk(index, index + 1, scorer.detector.layers))
    score, threshold = float(scores.image[0]), scorer.calibration.threshold
    judged = Judgement(score, threshold, score >= threshold, scores.patches[0])
    return look(scorer, judged, bench.display(name, index)[0])


def _compared(bench: Workbench, name: str, index: int, looks: Sequence[Look]) -> ComparedImage:
    record = bench.images(name).records[index]
    image, mask = bench.display(name, index)
    domain = name.partition("_")[2]
    return ComparedImage(image, mask, f"{record.kind} {Path(record.path).stem}, {domain}", bool(record.label), looks)
