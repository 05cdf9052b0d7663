"""Cells: what one bank says of some image sets, measured once and kept in the tracking store.

A cell is found again by a digest of everything that its numbers depend on, the code among them. So an experiment that
was interrupted goes on at its first missing cell, and two experiments that need the same bank share it.
"""

import csv
import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

import adtrack
from adtrack.config import digest
from adtrack.evaluation.evaluate import PIXEL_METRICS, Evaluation
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.evaluation.workbench import Workbench
from adtrack.naming import csv_cell, from_csv_cell
from adtrack.tracking.made_with import log_surroundings
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_file, run_metrics
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import quoted, search_runs
from adtrack.tracking.tags import CELL, NO_STUDY, ROLE, RunTags

_ROOMS = ("data", "features", "detectors", "evaluation")
_FILE = "scores.csv"
_COLUMNS = ("class", "set", "path", "kind", "label", "score")


@dataclass(frozen=True)
class SetScores:
    """The images of one set of one class and their scores, in path order."""

    class_name: str
    name: str
    paths: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, class_name: str, evaluation: Evaluation) -> "SetScores":
        """From an evaluation."""
        images = evaluation.scored.images
        paths = tuple(record.path for record in images.records)
        return cls(class_name, images.name, paths, tuple(images.kinds), images.labels, evaluation.scored.scores.image)

    @property
    def threshold(self) -> float:
        """The threshold of best F1 on this set."""
        return f1_threshold(self.scores, self.labels)

    def at(self, threshold: float) -> Sample:
        """The scores judged at a threshold from elsewhere."""
        return Sample(self.scores, self.labels, threshold)


@dataclass(frozen=True)
class Cell:
    """What a run holds of one bank: per-image scores by class and set, and the run's metrics."""

    run_id: str
    reused: bool
    sets: Mapping[tuple[str, str], SetScores]
    metrics: Mapping[str, float] = field(repr=False)

    def scores(self, class_name: str, name: str) -> SetScores:
        """Of one set of one class."""
        return self.sets[class_name, name]

    def pixel(self, class_name: str, name: str) -> dict[str, float]:
        """The pixel metrics of a set, NaN without masks."""
        return {metric: self.metrics.get(metric_name(class_name, name, metric), np.nan) for metric in PIXEL_METRICS}


@dataclass(frozen=True)
class Found:
    """What computing a cell gives: evaluations of each class's sets, and further numbers by name."""

    evaluations: Sequence[tuple[str, Evaluation]]
    numbers: Mapping[str, float] = field(default_factory=dict)


class Cells:
    """The cells of an experiment: child runs of the experiment's run ``parent``."""

    def __init__(self, parent: Run, say: Callable[[str], None]) -> None:
        self.parent, self.say = parent, say
        self.used: list[Cell] = []

    def cell(
        self, name: str, benches: Sequence[Workbench], what: Mapping[str, object], compute: Callable[[], Found]
    ) -> Cell:
        """The cell called ``name``: from the store if a finished run holds it, else computed and logged.

        ``what`` names, as plain data, all that the numbers depend on besides data, view, weights and code.
        """
        key = digest({**what, "on": [_surroundings(bench) for bench in benches], "code": code_version()})
        cell = self._known(name, key) or self._compute(name, key, benches, what, compute)
        self.used.append(cell)
        return cell

    def _known(self, name: str, key: str) -> Cell | None:
        """The newest finished run of this cell; None if there is none, or if its scores have gone."""
        known = search_runs(f"tags.`{CELL}` = {quoted(key)} and attributes.status = 'FINISHED'")
        if not known:
            return None
        run_id = known[-1].info.run_id
        try:
            cell = _read(run_id, reused=True)
        # No such file, or not the table that was written.
        except (ValueError, OverflowError, KeyError, TypeError, OSError, csv.Error):
            self.say(f"{name}: the scores of run {run_id} have gone, so it is measured again")
            return None
        self.say(f"{name}: taken from run {run_id}")
        return cell

    def _compute(
        self,
        name: str,
        key: str,
        benches: Sequence[Workbench],
        what: Mapping[str, object],
        compute: Callable[[], Found],
    ) -> Cell:
        self.say(name)
        classes = ",".join(bench.opened.data.class_name for bench in benches)
        digests = ",".join(bench.opened.digest for bench in benches)
        tags = RunTags(classes, str(what["method"]), NO_STUDY, digests)
        extra = {ROLE: "cell", CELL: key}
        with tracked_run(self.parent.worker, tags, name=name, parent=self.parent, extra=extra) as run:
            run.log_params({name: str(value) for name, value in what.items()})
            log_surroundings(run, benches[0])
            found = compute()
            run.log_metrics(_metrics(found))
            with tempfile.TemporaryDirectory() as scratch:
                _write([SetScores.of(*evaluation) for evaluation in found.evaluations], Path(scratch) / _FILE)
                run.log_folder(Path(scratch))
        return _read(run.run_id, reused=False)


def _surroundings(bench: Workbench) -> dict[str, object]:
    """What the numbers of a class depend on besides the detector."""
    return {
        "splits": bench.opened.digest,
        "image": bench.image,
        "trunk": bench.backbone.trunk.sha256,
        "device": bench.backbone.device.type,
        "threads": torch.get_num_threads(),
    }


@cache
def code_version() -> str:
    """SHA-256 of the code that makes numbers, and the version of torch: other code, other cells."""
    root = Path(adtrack.__file__).parent
    state = hashlib.sha256(torch.__version__.encode())
    files = [root / "config.py", *(file for room in _ROOMS for file in (root / room).rglob("*.py"))]
    for file in sorted(files):
        state.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def _metrics(found: Found) -> dict[str, float]:
    metrics = dict(found.numbers)
    for class_name, evaluation in found.evaluations:
        for key, value in evaluation.metrics.items():
            metrics[metric_name(class_name, evaluation.name, key)] = value
    return metrics


def metric_name(*parts: str) -> str:
    """The parts as the name of a metric: MLflow takes letters, digits and a few signs."""
    return re.sub(r"[^\w\-. /]", "_", "/".join(parts), flags=re.ASCII)


def _write(sets: Sequence[SetScores], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for one in sets:
            for path, kind, label, score in zip(one.paths, one.kinds, one.labels, one.scores, strict=True):
                names = map(csv_cell, (one.class_name, one.name, path, kind))
                writer.writerow([*names, int(label), repr(float(score))])


def _read(run_id: str, reused: bool) -> Cell:
    with run_file(run_id, _FILE).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((from_csv_cell(row["class"]), from_csv_cell(row["set"])), []).append(row)
    sets = {
        key: SetScores(
            *key,
            tuple(from_csv_cell(row["path"]) for row in group),
            tuple(from_csv_cell(row["kind"]) for row in group),
            np.array([int(row["label"]) for row in group], dtype=np.int64),
            np.array([float(row["score"]) for row in group], dtype=np.float64),
        )
        for key, group in groups.items()
    }
    return Cell(run_id, reused, sets, run_metrics(run_id))
