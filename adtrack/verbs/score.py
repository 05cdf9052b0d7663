"""score: a model, images, and a folder with scores and heatmaps."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adtrack.data.classes import SUFFIXES
from adtrack.data.loading import decode
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.evaluation.heatmaps import ColourRange, overlay
from adtrack.evaluation.sheets import save_png
from adtrack.features.backbone import choose_device
from adtrack.progress import track
from adtrack.tracking.models import load_model
from adtrack.tracking.store import open_store

COLUMNS = ("path", "score", "threshold", "label", "overlay", "error")


@dataclass(frozen=True)
class ScoreReport:
    """How many images were scored, called anomalous and could not be read, and by which model."""

    model: str
    table: Path
    scored: int
    anomalous: int
    failed: tuple[str, ...]


def score_images(model: str, sources: Sequence[Path], out: Path, device: str) -> ScoreReport:
    """Score files, and the images below folders, one by one; write ``scores.csv`` and ``overlays/`` into ``out``.

    A file that can't be read is a row with its error, and the others are scored all the same.
    """
    images = find_images(sources, out)
    open_store()
    loaded = load_model(model, choose_device(device))
    table = _open_folder(out)
    scored, anomalous, failed = 0, 0, []
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        for path, target in track(images, "Scoring"):
            row = _score(loaded.scorer, path, out, target)
            writer.writerow(row)
            stream.flush()  # what is scored stays scored, however the rest goes
            failed += [str(path)] if row.get("error") else []
            scored += not row.get("error")
            anomalous += row.get("label") == 1
    return ScoreReport(loaded.resolved, table, scored, anomalous, tuple(failed))


def _score(scorer: Scorer, path: Path, out: Path, target: Path) -> dict[str, object]:
    try:
        image = decode(path, str(path))
    except UserError as error:
        return {"path": path, "error": str(error)}
    judged = scorer.judge(image)
    colours = ColourRange(scorer.calibration.colour_low, scorer.calibration.colour_high)
    heat = scorer.map(judged, *image.shape[:2])
    try:
        (out / target).parent.mkdir(parents=True, exist_ok=True)
        save_png(out / target, overlay(image, heat, colours))
    except OSError as error:
        raise UserError(f"out must be writable, but {out / target} is not ({error.strerror}).") from error
    return {
        "path": path,
        "score": repr(judged.score),
        "threshold": repr(judged.threshold),
        "label": int(judged.anomalous),
        "overlay": target.as_posix(),
    }


def _open_folder(out: Path) -> Path:
    try:
        (out / "overlays").mkdir(parents=True, exist_ok=True)
        (out / "scores.csv").touch()
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {out} is not ({error.strerror or error}).",
            "choose another --out.",
        ) from error
    return out / "scores.csv"


def find_images(sources: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Every image with the overlay's place below ``out``: files as given, folders searched, each image once."""
    found: dict[Path, Path] = {}
    for source in sources:
        if not source.exists():
            raise UserError(f"images must be files or folders that exist, but {source} does not.")
        for path in _below(source, out) if source.is_dir() else [source]:
            inside = path.relative_to(source) if source.is_dir() else Path(path.name)
            found.setdefault(path, inside)
    if not found:
        raise UserError(
            f"images must hold at least one image, but {', '.join(map(str, sources))} hold none.",
            f"adtrack reads {', '.join(SUFFIXES)}.",
        )
    return _places(found)


def _below(folder: Path, out: Path) -> Iterator[Path]:
    """Images below ``folder`` in path order, but not the overlays of an earlier call."""
    avoided = (out.resolve(), (out / "overlays").resolve())  # ``folder`` itself may be ``out``
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if (Path(base) / name).resolve() not in avoided)
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(base) / name


def _places(found: dict[Path, Path]) -> list[tuple[Path, Path]]:
    """Overlay paths that no two images share: photo.jpg and photo.png of one folder get different ones."""
    taken: set[Path] = set()
    places = []
    for path, inside in found.items():
        target = Path("overlays") / inside.with_suffix(".png")
        count = 2
        while target in taken:
            target = Path("overlays") / inside.with_name(f"{inside.stem}-{count}.png")
            count += 1
        taken.add(target)
        places.append((path, target))
    return places
