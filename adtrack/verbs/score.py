"""score: images are scored with a model; scores, heatmaps and a page that shows them are written to a folder."""

import contextlib
import csv
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from torch import Tensor

from adtrack.data.decoding import FORMATS, UPRIGHT, file_orientation, is_deep, orientation_of
from adtrack.data.reading import FULL, Reading
from adtrack.detectors.scorer import Judgement, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import judged_overlay
from adtrack.evaluation.pictures.png import save_png
from adtrack.features.backbone import choose_device
from adtrack.features.threads import side_by_side
from adtrack.naming import csv_cell, visible
from adtrack.progress import track
from adtrack.reporting.gallery import Gallery, ScoredImage
from adtrack.tracking.models import load_model
from adtrack.tracking.store import reach_store
from adtrack.verbs.image_files import find_images, left_out, overlay_folders

COLUMNS = ("path", "score", "threshold", "label", "overlay", "error")

_Seen = tuple[np.ndarray, dict[str, Tensor]]  # an image uint8 (H, W, 3) and what the detector gets of it


@dataclass(frozen=True)
class _Drawn:
    """An image, what the model says of it, and its overlay with its place below the output folder, if it has one."""

    image: np.ndarray
    judged: Judgement
    overlay: np.ndarray | None
    place: str


@dataclass(frozen=True)
class ScoreReport:
    """How many images were scored and called anomalous, which could not be read, and how many were left when scoring
    was stopped.

    ``no_images`` are the files below the folders that were not scored because of their suffix. ``as_stored`` counts the
    images that a viewer turns, but that were scored as they are stored, because the model's own images were read so.
    ``overlays`` is the folder of heatmaps; None if the model has none.
    """

    model: str
    table: Path
    gallery: Path
    scored: int
    anomalous: int
    failed: tuple[str, ...]
    left: int = 0
    no_images: tuple[str, ...] = ()
    as_stored: int = 0
    overlays: Path | None = None


def score_images(model: str, sources: Sequence[Path], out: Path, device: str) -> ScoreReport:
    """Score files, and the images below folders, one by one; write ``scores.csv``, ``gallery.html`` and ``overlays/``.

    A file that cannot be read gets a row with its error, and the others are scored all the same. After Ctrl-C the
    report is of what has been scored. Only a few images at a time are in memory.
    """
    images = find_images(sources, out)
    reach_store()
    loaded = load_model(model, choose_device(device))
    table, page = out / "scores.csv", out / "gallery.html"
    # A GPU computes one image after the other, and several threads must not change cuDNN's settings at the same time.
    workers = 1 if loaded.scorer.backbone.device.type == "cuda" else None
    scored, anomalous, as_stored, failed = 0, 0, 0, []
    with _writable(out):
        (out / "overlays").mkdir(parents=True, exist_ok=True)
        # A name that is no Unicode is written with escapes, so that the table can be read.
        with (
            contextlib.suppress(KeyboardInterrupt),
            table.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream,
            Gallery(page, loaded.resolved, loaded.scorer.calibration.threshold, len(images)) as gallery,
            contextlib.closing(side_by_side(partial(_seen, loaded.scorer), images, workers)) as seen,
            contextlib.closing(_drawn(loaded.scorer, out, images, seen)) as drawn,
        ):
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", restval="")
            writer.writeheader()
            for (path, _), one in zip(images, track(drawn, "Scoring", len(images)), strict=False):
                row = _row(loaded.scorer, path, one, out, gallery)
                writer.writerow(row)
                stream.flush()  # what is scored stays scored, however the rest goes
                failed += [visible(str(path))] if row.get("error") else []
                scored += not row.get("error")
                anomalous += row.get("label") == 1
                as_stored += not loaded.scorer.reading.upright and file_orientation(path) != UPRIGHT
    left = len(images) - scored - len(failed)
    no_images = tuple(visible(str(path)) for path in left_out(sources, overlay_folders(out)))
    overlays = out / "overlays" if loaded.scorer.detector.has_maps else None
    return ScoreReport(
        loaded.resolved, table, page, scored, anomalous, tuple(failed), left, no_images, as_stored, overlays
    )


def _drawn(
    scorer: Scorer, out: Path, images: Sequence[tuple[Path, Path]], seen: Iterable[_Seen | UserError]
) -> Generator[_Drawn | UserError, None, None]:
    """The images one after the other. While the overlay of one is drawn and written, the next is judged."""

    def draw(one: tuple[Path, np.ndarray, Judgement] | UserError) -> _Drawn | UserError:
        if isinstance(one, UserError):
            return one
        target, image, judged = one
        picture = judged_overlay(scorer, judged, image)
        if picture is not None:
            (out / target).parent.mkdir(parents=True, exist_ok=True)
            save_png(out / target, picture)
        return _Drawn(image, judged, picture, "" if picture is None else target.as_posix())

    def judged() -> Iterator[tuple[Path, np.ndarray, Judgement] | UserError]:
        with contextlib.suppress(KeyboardInterrupt):  # what is judged by then is drawn, and the rest is left
            for (_, target), one in zip(images, seen, strict=True):
                yield one if isinstance(one, UserError) else (target, one[0], scorer.judge_outputs(one[1]))

    return side_by_side(draw, judged(), 1)


def _row(scorer: Scorer, path: Path, drawn: _Drawn | UserError, out: Path, gallery: Gallery) -> dict[str, object]:
    if isinstance(drawn, UserError):
        gallery.add_failure(visible(str(path)), str(drawn))
        return {"path": csv_cell(str(path)), "error": csv_cell(str(drawn))}
    judged, addresses = drawn.judged, (_address(path, out, scorer.reading), quote(os.fsencode(drawn.place)))
    name = visible(str(path))
    gallery.add(ScoredImage(name, judged.score, judged.anomalous, drawn.image, drawn.overlay, *addresses))
    return {
        "path": csv_cell(str(path)),
        "score": repr(judged.score),
        "threshold": repr(judged.threshold),
        "label": int(judged.anomalous),
        "overlay": csv_cell(drawn.place),
    }


def _seen(scorer: Scorer, image: tuple[Path, Path]) -> _Seen | UserError:
    """The pixels of an image and what the detector gets of it. This runs while the detector scores the image before."""
    try:
        pixels = scorer.read(image[0], visible(str(image[0])))
    except UserError as error:
        return error
    return pixels, scorer.outputs(pixels)


def _address(path: Path, out: Path, reading: Reading) -> str:
    """The address of the image for a page in ``out``. It is "" if a browser would not show what was scored."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if not _as_in_browsers(image, reading):
                return ""
        return quote(os.fsencode(Path(os.path.relpath(path, out))))
    except Exception:  # Pillow raises nearly anything on a hostile header; another drive has no relative path
        return ""


def _as_in_browsers(image: ImageFile, reading: Reading) -> bool:
    """Whether browsers show an image as it is scored. They know no TIFF and no 16-bit depths, and they turn JPEGs."""
    if image.format == "TIFF" or (is_deep(image) and reading.bits not in (None, FULL)):
        return False
    if image.format in ("JPEG", "MPO") and reading.upright:
        return "exif" in image.info or orientation_of(image) == UPRIGHT  # browsers look for the tag nowhere else
    return "exif" not in image.info or orientation_of(image) == UPRIGHT


@contextlib.contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {error.filename or out} is not "
            f"({error.strerror or error}).",
            "choose another --out; what was scored before is kept in this one.",
        ) from error
