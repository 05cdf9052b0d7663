"""make-shift: write a class that has gone through MVTec-Shift as image files, and a page that shows what was done."""

from dataclasses import dataclass
from pathlib import Path

from adtrack.config import DataSpec
from adtrack.data.demo import data_root
from adtrack.data.layouts import read_class
from adtrack.data.reading import Reading
from adtrack.data.shifted_copy import MANIFEST, write_shifted
from adtrack.errors import UserError
from adtrack.evaluation.pictures.before_after import pair_rows, pair_sheet
from adtrack.evaluation.pictures.png import save_png
from adtrack.reporting.document import Section, document
from adtrack.reporting.files import write_text
from adtrack.reporting.parts import Pairs, Paragraph
from adtrack.verbs.bench_setup import Say

_NOTES = (
    "Each pair shows an image before (left) and after (right) one kind of change alone. Every kind is shown on up to "
    "three images: the defect images with its lowest and its highest value and, between them, the good image at the "
    "lower quartile. The line runs around the mask and must stay around the defect. Blur and noise are shown on a part "
    "of the image at twice its size."
)


@dataclass(frozen=True)
class ShiftReport:
    """What was shifted and how, how many images an earlier call had written, and the files to look at."""

    data: DataSpec
    severity: float
    out: Path
    images: int
    masks: int
    kept: int
    manifest: Path
    page: Path
    sheet: Path


def make_shift(data: DataSpec, out: Path, severity: float, warn: Say) -> ShiftReport:
    """Write the class of ``data``, shifted, below ``out``, with its manifest, ``pairs.html`` and ``pairs.png``.

    ``warn`` is told what a reader of the class should know.
    """
    root = data_root(data.root, data.class_name)
    reading = None if data.bit_depth is None else Reading(data.bit_depth)
    copy = write_shifted(read_class(root, data.class_name), out, data.seed, severity, reading)
    for remark in copy.remarks:
        warn(remark)
    page, sheet = copy.folder / "pairs.html", copy.folder / "pairs.png"
    rows = pair_rows(root, copy.shifts, copy.checked.reading)
    title = f"{data.class_name} before and after MVTec-Shift, severity {severity:g}, seed {data.seed}"
    try:
        sections = [Section(row.title, [Pairs(row.pairs)], row.share) for row in rows]
        write_text(page, document(title, sections, [Paragraph(_NOTES)]))
        save_png(sheet, pair_sheet(rows, title))
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {copy.folder} is not ({error.strerror or error})."
        ) from error
    masks = sum(record.mask is not None for record in copy.shifts)
    return ShiftReport(data, severity, out, len(copy.shifts), masks, copy.kept, copy.folder / MANIFEST, page, sheet)
