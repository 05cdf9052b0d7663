"""What a run holds: parameters, grouped metrics, pictures, per-image scores, data sets and the bank."""

import contextlib
import csv
import json
import platform
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.utils.time import get_current_time_millis

import adtrack
from adtrack.config import BankSpec, DetectorSpec, canonical
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.pictures import write_pictures
from adtrack.evaluation.workbench import Built, Workbench
from adtrack.tracking.models import log_scorer
from adtrack.tracking.store import WORKER_TAG, Worker

NO_STUDY = "none"


@dataclass(frozen=True)
class RunTags:
    """What every run is found by, parent or child."""

    class_name: str
    method: str
    study: str
    split_digest: str

    def texts(self) -> dict[str, str]:
        """As MLflow tags."""
        return {
            "adtrack.class": self.class_name,
            "adtrack.method": self.method,
            "adtrack.study": self.study,
            "adtrack.split_digest": self.split_digest,
        }


@contextlib.contextmanager
def tracked_run(
    worker: Worker,
    tags: RunTags,
    *,
    name: str | None = None,
    run_id: str | None = None,
    nested: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """An MLflow run that ends as what happened: FINISHED, KILLED by Ctrl-C, or FAILED with ``error.txt``.

    ``run_id`` opens an existing run again; without it a run that ``mlflow run`` has made is joined, else a new one
    is made. Yields the run's id.
    """
    texts = {**tags.texts(), WORKER_TAG: worker.name, **(extra or {})}
    if name and not run_id:
        texts["mlflow.runName"] = name
    # The tags come with the run: killed at any moment, it can be found and ended.
    run = mlflow.start_run(run_id=run_id, nested=nested, tags=texts)
    try:
        yield run.info.run_id
    except KeyboardInterrupt:
        mlflow.end_run(RunStatus.to_string(RunStatus.KILLED))
        raise
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong first is what the user must see
            mlflow.log_text(traceback.format_exc(), "error.txt")
        mlflow.end_run(RunStatus.to_string(RunStatus.FAILED))
        raise
    mlflow.end_run()


@contextlib.contextmanager
def reopened_run(run_id: str) -> Iterator[None]:
    """A finished run to which more is logged: whatever happens meanwhile, what it held is still finished."""
    mlflow.start_run(run_id=run_id, nested=True)
    try:
        yield
    finally:
        mlflow.end_run()


def bank_params(bench: Workbench, spec: DetectorSpec) -> dict[str, str]:
    """Every choice that the detector's numbers depend on, as parameters of its run, named as on the command line."""
    return {
        "class": bench.data.class_name,
        "method": spec.method,
        "backbone": bench.trunk.network,
        "weights": bench.trunk.origin,
        "weights_sha256": bench.trunk.sha256,
        "layers": spec.layers_text,
        **_own_params(spec),
        "resize": str(bench.image.resize),
        "crop": str(bench.image.crop),
        "seed": str(spec.seed),
    }


def _own_params(spec: DetectorSpec) -> dict[str, str]:
    """The parameters that only this method has."""
    if isinstance(spec, BankSpec):
        names = ("patch_size", "coreset_fraction", "reweight_neighbours", "projection")
        return {name: str(getattr(spec, name)) for name in names}
    return {"padim_dimensions": str(spec.dimensions)}


def log_params(params: Mapping[str, str]) -> None:
    """Log parameters that the run does not have yet: ``mlflow run`` logs those it was given, in its own words."""
    run_id = mlflow.active_run().info.run_id
    known = MlflowClient().get_run(run_id).data.params
    missing = [Param(key, value) for key, value in params.items() if key not in known]
    MlflowClient().log_batch(run_id, params=missing)


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Log metrics of the active run in one call."""
    now = get_current_time_millis()
    MlflowClient().log_batch(
        mlflow.active_run().info.run_id, metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()]
    )


def set_tags(tags: Mapping[str, str]) -> None:
    """Set tags of the active run in one call."""
    MlflowClient().log_batch(mlflow.active_run().info.run_id, tags=[RunTag(*tag) for tag in tags.items()])


def run_tags(run_id: str) -> dict[str, str]:
    """The tags of a run."""
    return MlflowClient().get_run(run_id).data.tags


def run_metrics(run_id: str) -> dict[str, float]:
    """The metrics of a run."""
    return MlflowClient().get_run(run_id).data.metrics


def run_file(run_id: str, path: str) -> Path:
    """A file among a run's artifacts, fetched if the store is elsewhere."""
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path))


def log_folder(folder: Path) -> None:
    """Log everything in ``folder`` to the active run, in one call."""
    mlflow.log_artifacts(str(folder))


def keep_file(run_id: str, file: Path, place: str) -> None:
    """Keep a file among the run's artifacts, if it is not there yet."""
    if f"{place}/{file.name}" not in {item.path for item in MlflowClient().list_artifacts(run_id, place)}:
        MlflowClient().log_artifact(run_id, str(file), place)


def artifact_place(path: str) -> str:
    """Where the active run keeps ``path``: a folder if the store is on this machine, else a URI."""
    return mlflow.get_artifact_uri(path).removeprefix("file://")


def log_surroundings(bench: Workbench) -> None:
    """Versions, device and platform, and whether the weights are a makeshift."""
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "anomalib", "mlflow")
    tags = {f"adtrack.version.{package}": version(package) for package in packages}
    tags |= {"adtrack.version": adtrack.__version__, "adtrack.device": device_name(bench.device)}
    tags["adtrack.weights_fell_back"] = str(bench.trunk.fell_back).lower()
    set_tags(tags)


def device_name(device: torch.device) -> str:
    """``cpu (x86_64, 2 threads)`` or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"


def log_data(bench: Workbench, names: Iterable[str]) -> None:
    """Log the image sets as MLflow data sets with their digests; only names and digests, never pixels."""
    for name in names:
        images = bench.images(name)
        source = LocalArtifactDatasetSource(str(bench.root / bench.data.class_name))
        # MLflow keeps 36 characters of a digest.
        dataset = MetaDataset(source, name=f"{bench.data.class_name}/{name}", digest=images.digest[:32])
        mlflow.log_input(dataset, context=name)


def log_evaluations(bench: Workbench, scorer: Scorer, evaluations: Sequence[Evaluation]) -> None:
    """Log what evaluations found: metrics, pictures, scores, the splits' manifest and the specification."""
    log_metrics(
        {f"{evaluation.name}/{key}": value for evaluation in evaluations for key, value in evaluation.metrics.items()}
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for evaluation in evaluations:
            name = evaluation.name
            write_pictures(evaluation, lambda at, name=name: bench.display(name, at), scorer.calibration, folder)
            write_scores(evaluation, folder / "scores" / f"{name}.csv")
        (folder / "splits.json").write_text(json.dumps(bench.splits.manifest(), indent=1), encoding="utf-8")
        (folder / "spec.json").write_text(spec_text(bench, scorer.detector.spec), encoding="utf-8")
        log_folder(folder)


def write_scores(evaluation: Evaluation, file: Path) -> None:
    """One row an image: path, kind, label, score, threshold and what the bank called it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "kind", "label", "score", "threshold", "predicted"])
        for record, score in zip(evaluation.scored.images.records, evaluation.scored.scores.image, strict=True):
            called = int(score >= evaluation.threshold)
            writer.writerow([record.path, record.kind, record.label, repr(float(score)), evaluation.threshold, called])


def spec_text(bench: Workbench, spec: DetectorSpec) -> str:
    """The detector's full specification as JSON: enough to build it again."""
    facts = {
        "data": bench.data.__dict__,
        "image": bench.image.__dict__,
        "backbone": {"network": bench.trunk.network, "weights": bench.trunk.origin, "sha256": bench.trunk.sha256},
        "bank": spec.__dict__,
        "split_digest": bench.digest,
    }
    return json.dumps(json.loads(canonical(facts)), indent=1)


def log_bank(bench: Workbench, built: Built, *, with_trunk: bool) -> str:
    """Log a built bank to the active run: parameters, costs, evaluations, data and the model, whose URI it returns."""
    log_params(bank_params(bench, built.scorer.detector.spec))
    log_surroundings(bench)
    log_metrics({f"cost/{key}": value for key, value in built.costs.items()})
    seen = (built.scorer.facts["trained_on"], built.scorer.facts["calibrated_on"])
    log_data(bench, dict.fromkeys((*seen, *(evaluation.name for evaluation in built.evaluations))))
    log_evaluations(bench, built.scorer, built.evaluations)
    return log_scorer(built.scorer, "bank", with_trunk=with_trunk)
