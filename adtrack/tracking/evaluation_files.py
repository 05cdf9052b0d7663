"""The files that an evaluation leaves on a run, written and read back: scores image by image, and the PRO curve."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.verdicts import verdicts
from adtrack.findings import first_line
from adtrack.naming import csv_cell, from_csv_cell
from adtrack.progress import say
from adtrack.tracking.run_contents import has_file, run_file

_NUMBERS = {"scores": ("label", "score", "threshold"), "curves": ("fpr", "pro")}  # columns that must hold numbers


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write ``scores/<set>.csv``, the same as a table for MLflow's page, and ``curves/<set>.csv`` into ``folder``."""
    (folder / "scores").mkdir(exist_ok=True)
    records = zip(evaluation.scored.images.records, evaluation.scored.scores, strict=True)
    rows = ((record.path, record.kind, record.label, score) for record, score in records)
    write_scores(rows, evaluation.threshold, folder / "scores" / f"{evaluation.name}.csv")
    write_curve(evaluation, folder)
    _table(evaluation).to_json(folder / table_file(evaluation.name), orient="split", index=False)


def table_file(name: str) -> str:
    """Where the table of an image set lies on its run."""
    return f"scores/{name}.json"


def write_scores(rows: Iterable[tuple[str, str, int, float]], threshold: float, file: Path) -> None:
    """One line for each image: path, kind, label, score, threshold and, as 0 or 1, what the model called it."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "kind", "label", "score", "threshold", "predicted"])
        for path, kind, label, score in rows:
            names, called = map(csv_cell, (path, kind)), int(score >= threshold)
            writer.writerow([*names, label, repr(float(score)), threshold, called])


def write_curve(evaluation: Evaluation, folder: Path) -> None:
    """Write the PRO curve as ``curves/<set>.csv`` with the columns ``fpr`` and ``pro``; no file where there are no
    masks."""
    if evaluation.pro_curve is None or np.isnan(evaluation.pro_curve).any():
        return
    (folder / "curves").mkdir(exist_ok=True)
    file = folder / "curves" / f"{evaluation.name}.csv"
    pd.DataFrame(evaluation.pro_curve, columns=["fpr", "pro"]).to_csv(file, index=False, lineterminator="\n")


def _table(evaluation: Evaluation) -> pd.DataFrame:
    """The images, those that the model got most wrong first."""
    rows = [
        (row.word, row.path, row.kind, row.score, row.threshold, row.score - row.threshold)
        for row in verdicts(evaluation)
    ]
    return pd.DataFrame(rows, columns=["verdict", "image", "kind", "score", "threshold", "above threshold by"])


def read_scores(run_id: str, name: str) -> pd.DataFrame | None:
    """The scores of an image set on a run, in the order of the set. None: the run has none that can be read."""
    return _read(run_id, "scores", name)


def read_curve(run_id: str, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The PRO curve of an image set on a run: false-positive rates and overlaps. None: it has none that can be read."""
    found = _read(run_id, "curves", name)
    return None if found is None else (found["fpr"].to_numpy(), found["pro"].to_numpy())


def _read(run_id: str, folder: str, name: str) -> pd.DataFrame | None:
    file = f"{folder}/{name}.csv"
    if not has_file(run_id, file):
        return None
    # Python reads numbers to the last bit; not every version of pandas does.
    exact = dict.fromkeys(("score", "threshold", "fpr", "pro"), float)
    names = dict.fromkeys(("path", "kind"), from_csv_cell)
    try:
        found = pd.read_csv(run_file(run_id, file), keep_default_na=False, converters=exact | names)
        numbers = found[list(_NUMBERS[folder])].to_numpy(dtype=np.float64)
        if not numbers.size or not np.isfinite(numbers).all() or (folder == "scores" and not {*names} <= {*found}):
            raise ValueError("it lacks rows, columns or numbers")
    except (ValueError, KeyError) as error:  # pandas raises many kinds of ValueError
        say(f"{file} of run {run_id} cannot be read ({first_line(error)}): what it shows is left out.")
        return None
    return found
