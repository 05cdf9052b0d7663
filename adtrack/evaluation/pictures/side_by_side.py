"""The same images as several models see them, side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from adtrack.detectors.scorer import Judgement, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import judged_overlay, outline
from adtrack.evaluation.pictures.sheets import FAINT, GAP, INK, PAPER, VERDICTS, fit, fit_mask, fitted, font
from adtrack.evaluation.workbench import Workbench

LEGEND = (
    "Colours mean the same in every column: dark is the median good pixel of the Val images that gave the model its "
    "threshold, bright is the 99.5 % quantile of all their pixels. A model without heatmaps shows the image alone. The "
    "frame and the word say whether the model's call, at its own threshold, is right."
)
SIDE = 128  # of a picture in pixels
_WORDS, _FRAME = 30, 3


@dataclass(frozen=True)
class Look:
    """What one model makes of an image: its score, its threshold and an overlay uint8 (H, W, 3).

    The overlay is None from a model without anomaly maps: then the image itself is shown in its place.
    """

    score: float
    threshold: float
    overlay: np.ndarray | None = None


@dataclass(frozen=True)
class ComparedImage:
    """An image uint8 (h, w, 3), its mask bool (h, w) or None, its name, the truth, and the look of each model."""

    image: np.ndarray
    mask: np.ndarray | None
    name: str
    anomalous: bool
    looks: Sequence[Look]


def comparison_sheet(rows: Sequence[ComparedImage], models: Sequence[str]) -> np.ndarray:
    """A picture uint8 (h, w, 3) with a row for each image: the image itself, then what each model makes of it.

    ``models`` are the headings of the columns, in which ``\\n`` breaks the line. Frame and word tell right from wrong
    calls.
    """
    if not rows or any(len(row.looks) != len(models) for row in rows):
        raise UserError("a comparison needs at least one image, and a look at each by every model.")
    cell, line = SIDE + 2 * _FRAME + GAP, SIDE + 2 * _FRAME + _WORDS + GAP
    top = GAP + 14 * max(1 + name.count("\n") for name in models) + GAP
    sheet = Image.new("RGB", (GAP + cell * (1 + len(models)), top + line * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(models, start=1):
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
        _paste(sheet, fit(row.image if look.overlay is None else look.overlay, SIDE), left, top)
        draw.text((left, below), word, INK if word != "passed" else FAINT, font(10))
        draw.text((left, below + 12), f"{look.score:.4g} of {look.threshold:.4g}", FAINT, font(10))


def _paste(sheet: Image.Image, picture: np.ndarray, left: int, top: int) -> None:
    """In the middle of its frame."""
    height, width = picture.shape[:2]
    sheet.paste(Image.fromarray(picture), (left + _FRAME + (SIDE - width) // 2, top + _FRAME + (SIDE - height) // 2))


def look(scorer: Scorer, judged: Judgement, image: np.ndarray) -> Look:
    """What a scorer makes of an image uint8 (h, w, 3), of any size, that it has judged; colours are its own range.

    Patch scores of different layers have no common scale. So the dark end is, in every column, the median good pixel
    of the Val images that gave the model its threshold (of Val-clean, where both domains gave it), and the bright end
    the 99.5 % quantile of all their pixels.
    """
    return Look(judged.score, judged.threshold, judged_overlay(scorer, judged, fit(image, SIDE)))


def compare(bench: Workbench, scorers: Iterable[Scorer], chosen: Sequence[tuple[str, int]]) -> list[ComparedImage]:
    """What each scorer makes of the ``chosen`` images, given by image set and place in it."""
    columns = [[_look(bench, scorer, name, index) for name, index in chosen] for scorer in scorers]
    return [
        _compared(bench, name, index, [column[row] for column in columns]) for row, (name, index) in enumerate(chosen)
    ]


def _look(bench: Workbench, scorer: Scorer, name: str, index: int) -> Look:
    features = bench.seen_by(scorer.detector.spec).features(name)
    judged = scorer.judge_outputs(features.chunk(index, index + 1, scorer.detector.spec.inputs))
    return look(scorer, judged, bench.display(name, index).image)


def _compared(bench: Workbench, name: str, index: int, looks: Sequence[Look]) -> ComparedImage:
    record, shown = bench.opened.images(name).records[index], bench.display(name, index)
    words = f"{record.kind} {Path(record.path).stem}, {name.partition('_')[2]}"
    return ComparedImage(shown.image, shown.mask, words, bool(record.label), looks)
