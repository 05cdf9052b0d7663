"""Images before and after each kind of shift by itself, for a person to check at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from adtrack.data.classes import ImageRecord
from adtrack.data.loading import decode
from adtrack.data.masks import decode_mask
from adtrack.data.reading import Reading
from adtrack.data.shift import Shift
from adtrack.data.transform import shift_image, shift_mask
from adtrack.evaluation.pictures.heatmaps import outline
from adtrack.evaluation.pictures.sheets import FAINT, GAP, INK, PAPER, fit, fit_mask, fitted, font
from adtrack.evaluation.shift_kinds import KINDS, ShiftKind
from adtrack.palette import LIGHT
from adtrack.progress import track

SIDE = 192  # pixels of a picture's longer side
_ZOOM = 2  # of the details
_LINE = 15  # pixels from one line of words to the next


@dataclass(frozen=True)
class Pair:
    """An image before and after, uint8 (h, w, 3) of one size, which one it is, and its parameters in words."""

    before: np.ndarray
    after: np.ndarray
    name: str
    words: str


@dataclass(frozen=True)
class PairRow:
    """The examples of one kind of transform, and how many of the class's images have it."""

    title: str
    share: str
    pairs: tuple[Pair, ...]


def pair_rows(root: Path, shifts: Mapping[ImageRecord, Shift], reading: Reading) -> list[PairRow]:
    """The rows of a class with these shifts: a row with up to three examples for every kind that some image has."""
    examples = [(kind, record) for kind in KINDS for record in _examples(kind, shifts)]
    pairs: dict[str, list[Pair]] = {kind.title: [] for kind in KINDS}
    for kind, record in track(examples, "Drawing pairs", unit="pair"):
        pairs[kind.title].append(_pair(root, kind, record, shifts[record], reading))
    return [PairRow(kind.title, _share(kind, shifts), tuple(pairs[kind.title])) for kind in KINDS if pairs[kind.title]]


def _share(kind: ShiftKind, shifts: Mapping[ImageRecord, Shift]) -> str:
    having = sum(map(kind.drawn, shifts.values()))
    return f"all {having} images" if having == len(shifts) else f"{having} of {len(shifts)} images"


def _examples(kind: ShiftKind, shifts: Mapping[ImageRecord, Shift]) -> list[ImageRecord]:
    """The defect images with the lowest and the highest value and, between them, the good one of the lower quartile.

    The median good image would show little, as it is often hardly changed. Of the defect images those that have masks
    are taken. If there are no defect images, or no good ones, others take their places.
    """

    def order(record: ImageRecord) -> tuple[tuple[float, ...], str]:
        return kind.measure(shifts[record]), record.path

    having = sorted((record for record, shift in shifts.items() if kind.drawn(shift)), key=order)
    marked = [record for record in having if record.mask] or having
    good = [record for record in having if not record.label] or having
    return list(dict.fromkeys((marked[0], good[len(good) // 4], marked[-1]))) if having else []


def _pair(root: Path, kind: ShiftKind, record: ImageRecord, shift: Shift, reading: Reading) -> Pair:
    image, alone = decode(root / record.path, record.path, reading), kind.alone(shift)
    mask = np.zeros(image.shape[:2], bool)
    if record.mask is not None:
        mask = decode_mask(root / record.mask, record.mask, reading)
    states = ((image, mask), (shift_image(image, alone), shift_mask(mask, alone)))
    part = _window(mask) if kind.detail else None
    before, after = (_picture(*state) if part is None else _enlarged(*state, part) for state in states)
    return Pair(before, after, f"{record.kind}/{Path(record.path).stem}", kind.words(shift))


def _picture(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return outline(fit(image, SIDE), fit_mask(mask, SIDE), width=2)


def _enlarged(image: np.ndarray, mask: np.ndarray, part: tuple[slice, slice]) -> np.ndarray:
    square = np.ones((_ZOOM, _ZOOM), np.uint8)
    return outline(np.kron(image[part], square[:, :, None]), np.kron(mask[part], square), width=2)


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a part that fits into SIDE² when it is enlarged: around the defect, else in the middle."""
    rows, columns = np.nonzero(mask if mask.any() else np.ones_like(mask))
    return _around(np.median(rows), mask.shape[0]), _around(np.median(columns), mask.shape[1])


def _around(centre: float, length: int) -> slice:
    width = min(length, SIDE // _ZOOM)
    first = min(max(0, int(centre) - width // 2), length - width)
    return slice(first, first + width)


def pair_sheet(rows: Sequence[PairRow], title: str) -> np.ndarray:
    """The rows below each other as one picture, uint8 (h, w, 3)."""
    step = 2 * (SIDE + GAP) + 2 * GAP
    sheets = [_strip(row, step) for row in rows]
    head = 40
    sheet = Image.new("RGB", (3 * step + GAP, head + sum(strip.height for strip in sheets)), PAPER)
    ImageDraw.Draw(sheet).text((2 * GAP, head // 2), title, INK, font(17), anchor="lm")
    top = head
    for strip in sheets:
        sheet.paste(strip, (0, top))
        top += strip.height
    return np.asarray(sheet)


def _strip(row: PairRow, step: int) -> Image.Image:
    """One kind: its name, and the pairs side by side with their words below."""
    words = [_lines(f"{pair.name}: {pair.words}", step - 3 * GAP) for pair in row.pairs]
    pictures = max(pair.before.shape[0] for pair in row.pairs)
    height = 28 + pictures + GAP + _LINE * max(map(len, words)) + 2 * GAP
    strip = Image.new("RGB", (3 * step + GAP, height), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.line((2 * GAP, 0, strip.width - 2 * GAP, 0), fill=LIGHT.line)
    draw.text((2 * GAP, 15), f"{row.title} ({row.share})", INK, font(14), anchor="lm")
    for place, (pair, lines) in enumerate(zip(row.pairs, words, strict=True)):
        left = 2 * GAP + place * step
        for column, picture in enumerate((pair.before, pair.after)):
            strip.paste(Image.fromarray(picture), (left + column * (picture.shape[1] + GAP), 28))
        for number, line in enumerate(lines):
            draw.text((left, 28 + pictures + GAP + number * _LINE), line, FAINT, font(12))
    return strip


def _lines(text: str, width: int) -> list[str]:
    """The text broken between words into lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(12).getlength(longer) > width:
            lines.append(fitted(word, width, 12))
        else:
            lines[-1] = longer
    return lines
