"""What a detector's run shows of it: parameters, metrics, pictures, tables, curves, the splits and the model."""

import json
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mlflow.entities import Dataset, Metric
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from adtrack.config import from_json
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.building import BuiltModel
from adtrack.evaluation.evaluate import PIXEL_METRICS, Evaluation
from adtrack.evaluation.pictures.of_evaluation import write_pictures
from adtrack.evaluation.workbench import Workbench
from adtrack.filenames import ascii_name
from adtrack.progress import track
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.evaluation_files import table_file, write_curve, write_evaluation
from adtrack.tracking.made_with import choices, log_surroundings, spec_text, threshold_params
from adtrack.tracking.models import log_scorer, write_page
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.tags import named
from adtrack.tracking.training_curves import log_training
from adtrack.training.loop import best_of


def log_built(run: Run, bench: Workbench, built: BuiltModel, *, with_trunk: bool) -> str:
    """Log a built detector to a run: parameters, costs, evaluations, data and the model, whose URI it returns."""
    run.log_params(choices(bench, built.scorer))
    log_surroundings(run, bench)
    # The parameters of these names may say "auto": ``mlflow run`` logs parameters as they were asked for.
    run.set_tags({named(name): value for name, value in threshold_params(built.scorer.facts).items()})
    facts, measured = built.scorer.facts, [evaluation.name for evaluation in built.evaluations]
    seen = (facts["trained_on"], *ThresholdSpec(facts["calibrated_on"]).sets)
    log_data(run, bench, dict.fromkeys((*seen, *measured)))
    uri = log_scorer(run, built.scorer, with_trunk=with_trunk)
    # The model first: MLflow would copy the metrics that the run has by then to the model, and read each one's history.
    run.log_metrics({f"cost/{key}": value for key, value in built.costs.items()}, _logged_model(uri))
    log_evaluations(run, bench, built.scorer, built.evaluations, uri)
    if built.epochs:
        title = f"{built.scorer.detector.name} learns {bench.opened.data.class_name}"
        log_training(run, title, built.epochs, best_of(built.epochs))
    return uri


def log_data(run: Run, bench: Workbench, names: Iterable[str]) -> None:
    """Log the image sets as MLflow data sets with their digests; only names and digests, never pixels."""
    source = json.dumps({"uri": str(bench.opened.root / bench.opened.data.class_name)})
    run.log_inputs({name: Dataset(*_dataset(bench, name), "local", source) for name in names})


def _dataset(bench: Workbench, name: str) -> tuple[str, str]:
    """The name and the digest by which MLflow knows an image set; it keeps 36 characters of a digest."""
    return f"{bench.opened.data.class_name}/{name}", bench.opened.images(name).digest[:32]


def log_evaluations(run: Run, bench: Workbench, scorer: Scorer, evaluations: Sequence[Evaluation], model: str) -> None:
    """Log what evaluations of the model with this URI have found, to a run and to the model itself.

    That is: metrics; pictures, of which the worst of each kind are also shown where MLflow shows images; a table of the
    images, those that the model got most wrong first; the PRO curve; the splits' manifest; and the specification.
    The model's own page says how it did.
    """
    _log_metrics(run, bench, evaluations, model)
    if _logged_model(model):
        write_page(model, scorer)
    pictures: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for evaluation in track(evaluations, "Drawing pictures", unit="set"):
            name = evaluation.name
            written = write_pictures(bench, evaluation, scorer.calibration.colours, folder)
            pictures |= {f"{name}/{key}": file for key, file in written.items() if key.endswith("-worst")}
            write_evaluation(evaluation, folder)
        (folder / "splits.json").write_text(json.dumps(bench.opened.splits.manifest(), indent=1), encoding="utf-8")
        (folder / "spec.json").write_text(spec_text(bench, scorer), encoding="utf-8")
        run.log_folder(folder)
        # A picture has one name over all trials.
        run.log_images({"/".join(map(ascii_name, key.split("/"))): file for key, file in pictures.items()})
    _show_tables(run, [table_file(evaluation.name) for evaluation in evaluations])


def log_pixels(run: Run, bench: Workbench, evaluations: Sequence[Evaluation], model: str) -> None:
    """Log what evaluations have found of pixels, to a run that holds all else that is told of these evaluations: the
    metrics of pixels, and the PRO curves."""
    of_pixels = [
        replace(one, metrics={key: value for key, value in one.metrics.items() if key in PIXEL_METRICS})
        for one in evaluations
    ]
    _log_metrics(run, bench, of_pixels, model)
    with tempfile.TemporaryDirectory() as scratch:
        for evaluation in evaluations:
            write_curve(evaluation, Path(scratch))
        run.log_folder(Path(scratch))


def _log_metrics(run: Run, bench: Workbench, evaluations: Sequence[Evaluation], model: str) -> None:
    """Log metrics in one call, linked to the model and to the data that they were measured on."""
    now, model_id = time.time_ns() // 1_000_000, _logged_model(model)
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
    """Make MLflow show these files as tables. Its ``log_table`` would append their rows to an interrupted call's."""
    known = from_json(run_tags(run.run_id).get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
    new = [{"path": file, "type": "table"} for file in files]
    run.set_tags({MLFLOW_LOGGED_ARTIFACTS: json.dumps([*known, *(entry for entry in new if entry not in known)])})
