"""What an output folder holds of the photos that a command names, and the table that is made of it."""

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adtrack.naming import csv_cell
from adtrack.tracking.models import LoadedModel
from adtrack.verbs.image_files import PhotoFile
from adtrack.verbs.score.album import Album, pictured
from adtrack.verbs.score.asked import AskedPictures
from adtrack.verbs.score.judging import Scored
from adtrack.verbs.score.rows import Rows

COLUMNS = ("path", "score", "threshold", "label", "overlay", "error")


@dataclass
class Tally:
    """Of the photos in a table: how many have a score, are anomalous, were scored as stored, and have an overlay;
    which have none for an error."""

    scored: int = 0
    anomalous: int = 0
    as_stored: int = 0
    overlays: int = 0
    failed: list[str] = field(default_factory=list)


class Results:
    """The rows and pictures that a folder has of these photos. ``missing`` are the photos that must be scored.

    A photo keeps its score if it has one of this model, its file has not changed since, and its picture is there or is
    not asked for. What could not be scored is tried again. ``kept_pictures`` are the keys of photos that keep theirs,
    and ``drawn`` those of photos that have pictures for their high scores.
    """

    def __init__(self, out: Path, model: LoadedModel, photos: Sequence[PhotoFile], pictures: AskedPictures) -> None:
        """``replaced`` is the model whose scores the folder held, if that was another one. They are removed."""
        self.out, self.model, self.photos, self.pictures = out, model, photos, pictures
        self.file = out / "scores.csv"
        self.has_maps = model.scorer.detector.has_maps
        self.rows = Rows(out / "parts", model.resolved, model.digest)
        self.replaced = self.rows.replaced
        self._keep()

    def _keep(self) -> None:
        table = self.rows.table()
        wanted = {photo.key for photo in self.photos}
        there = pictured(self.out, self.photos, self.has_maps) if len(table) else set()
        kept = {}
        for row, found in enumerate(_tuples(table, "key", "label", "error")):
            key, label, error = found
            if key in wanted and not error and (key in there or not self.pictures.at_once(label == 1)):
                kept[key] = row, label == 1
        self.rows.keep(table, [row for row, _ in kept.values()])
        self.kept_pictures = {key for key, (_, anomalous) in kept.items() if key in there and self._may_show(anomalous)}
        self.drawn = self.kept_pictures if self.pictures.highest else set()
        self.missing = [photo for photo in self.photos if photo.key not in kept]
        if not kept:
            self.file.unlink(missing_ok=True)  # the table of other photos or of another model

    def _may_show(self, anomalous: bool) -> bool:
        return self.pictures.at_once(anomalous) or self.pictures.highest > 0

    def album(self, kept: Collection[str]) -> Album:
        """The page, which still shows the photos of these keys."""
        return Album(self.out, self.model, len(self.photos), self.pictures.only, kept)

    def add(self, scored: Scored) -> None:
        """Keep the score of a photo, or its error."""
        failed = bool(scored.error)
        self.rows.add(
            {
                "path": _text(scored.photo.path),
                "score": None if failed else scored.score,
                "threshold": None if failed else self.model.scorer.calibration.threshold,
                "label": None if failed else int(scored.anomalous),
                "error": scored.error,
                "as_stored": scored.as_stored,
                "key": scored.photo.key,
            }
        )

    def highest(self) -> list[PhotoFile]:
        """The photos with the highest scores, as many as pictures are asked for, in their order."""
        scores = {key: score for key, score in _tuples(self.rows.table(), "key", "score") if score is not None}
        scored = [photo for photo in self.photos if photo.key in scores]
        chosen = sorted(scored, key=lambda photo: -scores[photo.key])[: self.pictures.highest]
        keys = {photo.key for photo in chosen}
        return [photo for photo in scored if photo.key in keys]

    def write_table(self) -> Tally:
        """Write ``scores.csv``, the photos in their order, and put all rows into parts."""
        self.rows.fold()
        table = self.rows.table()
        columns = "score", "label", "as_stored", "error"
        rows = dict(zip(table["key"].to_pylist(), _tuples(table, *columns), strict=True))
        counts = Tally()
        new = self.file.with_name(f"{self.file.name}.new")
        # A name that is no Unicode is written with escapes, so that the table can be read.
        with new.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", restval="")
            writer.writeheader()
            for photo in self.photos:
                if photo.key in rows:
                    writer.writerow(self._line(photo, rows[photo.key], photo.key in self.drawn, counts))
        new.replace(self.file)
        return counts

    def _line(self, photo: PhotoFile, row: tuple[Any, ...], drawn: bool, counts: Tally) -> dict[str, object]:
        """A line of the table, which is counted."""
        score, label, as_stored, error = row
        if error:
            counts.failed.append(photo.path)
            return {"path": csv_cell(photo.path), "error": csv_cell(error)}
        overlay = self.has_maps and (drawn or self.pictures.at_once(label == 1))
        counts.scored += 1
        counts.anomalous += label
        counts.as_stored += as_stored
        counts.overlays += overlay
        return {
            "path": csv_cell(photo.path),
            "score": repr(score),
            "threshold": repr(self.model.scorer.calibration.threshold),
            "label": label,
            "overlay": csv_cell(photo.place) if overlay else "",
        }


def _tuples(table: Any, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[column].to_pylist() for column in columns), strict=True)


def _text(path: str) -> str:
    """A path as Unicode. Bytes of a name that are none become escapes."""
    return path.encode("utf-8", "backslashreplace").decode()
