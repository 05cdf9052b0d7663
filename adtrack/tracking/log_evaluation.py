"""What shows how good a bank is, on its run: metrics, pictures, per-image tables, curves, the splits and the bank."""

import csv
import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.entities import Dataset, Metric
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS
from mlflow.utils.time import get_current_time_millis

from adtrack.config import canonical, from_json
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.building import Built
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.pictures.of_evaluation import write_pictures
from adtrack.evaluation.verdicts import verdicts
from adtrack.evaluation.workbench import Workbench
from adtrack.filenames import ascii_name
from adtrack.findings import first_line
from adtrack.naming import csv_cell, from_csv_cell
from adtrack.progress import say, track
from adtrack.tracking.made_with import bank_params, log_surroundings, threshold_params
from adtrack.tracking.models import log_scorer
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import has_file, run_file, run_tags

_NUMBERS = {"scores": ("label", "score", "threshold"), "curves": ("fpr", "pro")}  # columns of tables on a run


def log_bank(run: Run, bench: Workbench, built: Built, *, with_trunk: bool) -> str:
    """Log a built bank to a run: parameters, costs, evaluations, data and the model, whose URI it returns."""
    run.log_params(bank_params(bench, built.scorer))
    log_surroundings(run, bench)
    seen = (built.scorer.facts["trained_on"], built.scorer.facts["calibrated_on"])
    log_data(run, bench, dict.fromkeys((*seen, *(evaluation.name for evaluation in built.evaluations))))
    uri = log_scorer(run, built.scorer, with_trunk=with_trunk)
    # After the model: MLflow copies the metrics that a run has before to its model, and reads each one's history.
    run.log_metrics({f"cost/{key}": value for key, value in built.costs.items()}, _logged_model(uri))
    log_evaluations(run, bench, built.scorer, built.evaluations, uri)
    return uri


def log_data(run: Run, bench: Workbench, names: Iterable[str]) -> None:
    """Log the image sets as MLflow data sets with their digests; only names and digests, never pixels."""
    source = json.dumps({"uri": str(bench.opened.root / bench.opened.data.class_name)})
    run.log_inputs({name: Dataset(*_dataset(bench, name), "local", source) for name in names})


def _dataset(bench: Workbench, name: str) -> tuple[str, str]:
    """How MLflow knows an image set; it keeps 36 characters of a digest."""
    return f"{bench.opened.data.class_name}/{name}", bench.opened.images(name).digest[:32]


def log_evaluations(run: Run, bench: Workbench, scorer: Scorer, evaluations: Sequence[Evaluation], model: str) -> None:
    """Log what evaluations of the model with this URI found, to a run and to the model itself.

    Metrics; heatmaps, the worst of each kind also where MLflow shows images; a table of the images, what the model
    got most wrong first; the PRO curve; the splits' manifest and the specification.
    """
    _log_metrics(run, bench, evaluations, model)
    pictures: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for evaluation in track(evaluations, "Drawing heatmaps", unit="set"):
            name = evaluation.name
            written = write_pictures(bench.opened, evaluation, scorer.calibration.colours, folder)
            pictures |= {f"{name}/{key}": file for key, file in written.items() if key.endswith("-worst")}
            write_scores(evaluation, folder / "scores" / f"{name}.csv")
            write_curve(evaluation, folder / "curves" / f"{name}.csv")
            _table(evaluation).to_json(folder / _table_file(name), orient="split", index=False)
        (folder / "splits.json").write_text(json.dumps(bench.opened.splits.manifest(), indent=1), encoding="utf-8")
        (folder / "spec.json").write_text(spec_text(bench, scorer), encoding="utf-8")
        run.log_folder(folder)
        for key, file in pictures.items():
            run.log_image(file, "/".join(map(ascii_name, key.split("/"))))  # one name over all trials
    _show_tables(run, [_table_file(evaluation.name) for evaluation in evaluations])


def _log_metrics(run: Run, bench: Workbench, evaluations: Sequence[Evaluation], model: str) -> None:
    """In one call, linked to the model and to the data they were measured on."""
    now, model_id = get_current_time_millis(), _logged_model(model)
    points = [
        Metric(f"{evaluation.name}/{key}", value, now, 0, model_id, *_dataset(bench, evaluation.name))
        for evaluation in evaluations
        for key, value in evaluation.metrics.items()
    ]
    run.log_points(points)


def _logged_model(uri: str) -> str | None:
    """The id in ``models:/m-…``; a registered version and a folder have none."""
    found = re.fullmatch(r"models:/(m-[0-9a-f]+)", uri)
    return found[1] if found else None


def _show_tables(run: Run, files: Sequence[str]) -> None:
    """Make MLflow show these files as tables. Its ``log_table`` would add the rows to those of an interrupted call."""
    known = from_json(run_tags(run.run_id).get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
    new = [{"path": file, "type": "table"} for file in files]
    run.set_tags({MLFLOW_LOGGED_ARTIFACTS: json.dumps([*known, *(entry for entry in new if entry not in known)])})


def _table_file(name: str) -> str:
    return f"scores/{name}.json"


def _table(evaluation: Evaluation) -> pd.DataFrame:
    rows = [
        (row.word, row.path, row.kind, row.score, row.threshold, row.score - row.threshold)
        for row in verdicts(evaluation)
    ]
    return pd.DataFrame(rows, columns=["verdict", "image", "kind", "score", "threshold", "above threshold by"])


def write_scores(evaluation: Evaluation, file: Path) -> None:
    """One row an image: path, kind, label, score, threshold and what the bank called it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "kind", "label", "score", "threshold", "predicted"])
        for record, score in zip(evaluation.scored.images.records, evaluation.scored.scores.image, strict=True):
            names, called = map(csv_cell, (record.path, record.kind)), int(score >= evaluation.threshold)
            writer.writerow([*names, record.label, repr(float(score)), evaluation.threshold, called])


def write_curve(evaluation: Evaluation, file: Path) -> None:
    """The PRO curve as columns ``fpr`` and ``pro``; nothing where there are no masks."""
    if evaluation.pro_curve is None or np.isnan(evaluation.pro_curve).any():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(evaluation.pro_curve, columns=["fpr", "pro"]).to_csv(file, index=False, lineterminator="\n")


def spec_text(bench: Workbench, scorer: Scorer) -> str:
    """The detector's full specification as JSON: enough to build it again."""
    trunk = bench.backbone.trunk
    facts = {
        "data": bench.opened.data.__dict__,
        "image": bench.image.__dict__,
        "reading": bench.opened.checked.reading.__dict__,
        "backbone": {"network": trunk.network, "weights": trunk.origin, "sha256": trunk.sha256},
        "bank": scorer.detector.spec.__dict__,
        "threshold": threshold_params(scorer),
        "split_digest": bench.opened.digest,
    }
    return json.dumps(json.loads(canonical(facts)), indent=1)


def read_scores(run_id: str, name: str) -> pd.DataFrame | None:
    """The per-image scores that ``write_scores`` left on a run, in the order of the image set; None if it has none that
    can be read."""
    return _read_table(run_id, "scores", name)


def read_curve(run_id: str, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The PRO curve that ``write_curve`` left on a run: false-positive rates and overlaps; None if it has none that can
    be read."""
    found = _read_table(run_id, "curves", name)
    return None if found is None else (found["fpr"].to_numpy(), found["pro"].to_numpy())


def _read_table(run_id: str, folder: str, name: str) -> pd.DataFrame | None:
    file = f"{folder}/{name}.csv"
    if not has_file(run_id, file):
        return None
    # As Python reads numbers: to the last bit, which not every version of pandas does by itself.
    exact = dict.fromkeys(("score", "threshold", "fpr", "pro"), float)
    names = dict.fromkeys(("path", "kind"), from_csv_cell)
    try:
        found = pd.read_csv(run_file(run_id, file), keep_default_na=False, converters=exact | names)
        numbers = found[list(_NUMBERS[folder])].to_numpy(dtype=np.float64)
        if not numbers.size or not np.isfinite(numbers).all() or (folder == "scores" and not {*names} <= {*found}):
            raise ValueError("it lacks rows, columns or numbers")
    except (ValueError, KeyError) as error:  # pandas has many, all of them ValueErrors
        say(f"{file} of run {run_id} cannot be read ({first_line(error)}): what it shows is left out.")
        return None
    return found
