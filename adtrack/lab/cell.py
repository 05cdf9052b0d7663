"""A cell: what one model says of some image sets, as a run of the tracking store keeps it."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adtrack.evaluation.evaluate import PIXEL_METRICS, Evaluation
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.naming import csv_cell, from_csv_cell
from adtrack.tracking.run_contents import run_file, run_metrics

FILE = "scores.csv"
_COLUMNS = ("class", "set", "path", "kind", "label", "score")


@dataclass(frozen=True)
class CellScores:
    """The images of one set of one class and their scores, in the order of their paths."""

    class_name: str
    name: str
    paths: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, class_name: str, evaluation: Evaluation) -> "CellScores":
        """The scores in an evaluation."""
        images = evaluation.scored.images
        paths = tuple(record.path for record in images.records)
        return cls(class_name, images.name, paths, tuple(images.kinds), images.labels, evaluation.scored.scores)

    @property
    def threshold(self) -> float:
        """The threshold that has the best F1 on this set."""
        return f1_threshold(self.scores, self.labels)

    def at(self, threshold: float) -> Sample:
        """The scores, judged at a threshold that comes from another set."""
        return Sample(self.scores, self.labels, threshold)


@dataclass(frozen=True)
class Cell:
    """The scores of one model for every image, by class and image set, and the metrics of the cell's run."""

    run_id: str
    reused: bool
    sets: Mapping[tuple[str, str], CellScores]
    metrics: Mapping[str, float] = field(repr=False)

    def scores(self, class_name: str, name: str) -> CellScores:
        """The scores of one image set of one class."""
        return self.sets[class_name, name]

    def judged(self, class_name: str, threshold_from: Sequence[str], name: str) -> Sample:
        """The scores of one image set, at the threshold that has the best F1 on others together."""
        given = [self.scores(class_name, one) for one in threshold_from]
        threshold = f1_threshold(
            np.concatenate([one.scores for one in given]), np.concatenate([one.labels for one in given])
        )
        return self.scores(class_name, name).at(threshold)

    def pixel(self, class_name: str, name: str) -> dict[str, float]:
        """The pixel metrics of an image set. They are NaN without masks, and where the method has no anomaly maps."""
        return {metric: self.metrics.get(metric_name(class_name, name, metric), np.nan) for metric in PIXEL_METRICS}


@dataclass(frozen=True)
class CellOutcome:
    """What computing a cell gives: pairs of a class and the evaluation of one of its sets, further numbers by name, and
    pictures uint8 (h, w, 3) by the name of their PNG file."""

    evaluations: Sequence[tuple[str, Evaluation]]
    numbers: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """All numbers, under the names that they have in the cell's run."""
        metrics = dict(self.numbers)
        for class_name, evaluation in self.evaluations:
            for key, value in evaluation.metrics.items():
                metrics[metric_name(class_name, evaluation.name, key)] = value
        return metrics


def metric_name(*parts: str) -> str:
    """The parts as the name of a metric: MLflow takes letters, digits and a few signs."""
    return re.sub(r"[^\w\-. /]", "_", "/".join(parts), flags=re.ASCII)


def write_scores(sets: Sequence[CellScores], file: Path) -> None:
    """Write a table with one row for each image of each set."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for one in sets:
            for path, kind, label, score in zip(one.paths, one.kinds, one.labels, one.scores, strict=True):
                names = map(csv_cell, (one.class_name, one.name, path, kind))
                writer.writerow([*names, int(label), repr(float(score))])


def read_cell(run_id: str, reused: bool) -> Cell:
    """The cell that a run holds. ValueError, OverflowError, KeyError, TypeError, OSError or csv.Error: its table is not
    there, or is not the one that was written."""
    with run_file(run_id, FILE).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((from_csv_cell(row["class"]), from_csv_cell(row["set"])), []).append(row)
    sets = {
        key: CellScores(
            *key,
            tuple(from_csv_cell(row["path"]) for row in group),
            tuple(from_csv_cell(row["kind"]) for row in group),
            np.array([int(row["label"]) for row in group], dtype=np.int64),
            np.array([float(row["score"]) for row in group], dtype=np.float64),
        )
        for key, group in groups.items()
    }
    return Cell(run_id, reused, sets, run_metrics(run_id))
