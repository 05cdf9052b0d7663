"""A run that this process works on: everything that is logged to it goes through this object.

MLflow's own "active run" is neither read nor set, so nothing depends on which run was opened last, and a program that
uses adtrack keeps its active run and its active experiment.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from PIL import Image

from adtrack.data.in_order import in_order
from adtrack.tracking.places import is_server, local_folder
from adtrack.tracking.run_contents import has_file
from adtrack.tracking.store import without_password
from adtrack.tracking.tags import NOTE
from adtrack.tracking.workers import Worker


@dataclass(frozen=True)
class Run:
    """A run that is open, the experiment that it belongs to, and the process that works on it."""

    run_id: str
    experiment_id: str
    worker: Worker

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log parameters that the run does not have yet: ``mlflow run`` logs those it was given, in its own words."""
        known = MlflowClient().get_run(self.run_id).data.params
        missing = [Param(key, value) for key, value in params.items() if key not in known]
        MlflowClient().log_batch(self.run_id, params=missing)

    def log_metrics(self, metrics: Mapping[str, float], model_id: str | None = None, step: int = 0) -> None:
        """Log metrics in one call, linked to one of the run's models if ``model_id`` names it.

        Values of one metric at different ``step`` are points of a curve.
        """
        now = time.time_ns() // 1_000_000
        self.log_points([Metric(key, float(value), now, step, model_id) for key, value in metrics.items()])

    def log_points(self, points: Sequence[Metric]) -> None:
        """Log values of metrics in one call; each says by itself which model and data set it belongs to."""
        MlflowClient().log_batch(self.run_id, metrics=points)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one call."""
        MlflowClient().log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def set_note(self, text: str) -> None:
        """Set the description that the run's page in MLflow shows: Markdown."""
        self.set_tags({NOTE: text})

    def log_inputs(self, datasets: Mapping[str, Dataset]) -> None:
        """Log the data sets that the run has used, by the word for what it has used each as."""
        inputs = [
            DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)]) for context, dataset in datasets.items()
        ]
        MlflowClient().log_inputs(self.run_id, inputs)

    def log_text(self, text: str, path: str) -> None:
        """Write a text file among the run's artifacts, in place of one that is there."""
        MlflowClient().log_text(self.run_id, text, path)

    def log_folder(self, folder: Path) -> None:
        """Log everything in ``folder`` in one call."""
        MlflowClient().log_artifacts(self.run_id, str(folder))

    def log_image(self, file: Path, name: str) -> None:
        """Show a picture where MLflow's image view finds it, under this name."""
        with Image.open(file) as picture:
            MlflowClient().log_image(self.run_id, picture, key=name, synchronous=True)

    def log_images(self, files: Mapping[str, Path]) -> None:
        """Show pictures by their names, as ``log_image`` does: two at a time, because MLflow encodes each anew."""
        names = list(files)
        for name in names[:1]:  # it sets a tag, which two at once would both insert
            self.log_image(files[name], name)
        for _ in in_order(lambda name: self.log_image(files[name], name), names[1:], workers=2):
            pass

    def keep_file(self, file: Path, place: str) -> None:
        """Keep a file in the folder ``place`` among the run's artifacts, if it is not there yet."""
        if not has_file(self.run_id, f"{place}/{file.name}"):
            MlflowClient().log_artifact(self.run_id, str(file), place)

    def artifact_place(self, path: str) -> str:
        """Where the run keeps ``path``: a page if the store has a server, else a place on this machine, or a URI."""
        if self.page:
            return f"{self.page}/artifacts/{path}"
        root = MlflowClient().get_run(self.run_id).info.artifact_uri
        folder = local_folder(root)
        return str(folder / path) if folder else f"{root}/{path}"

    @property
    def page(self) -> str | None:
        """The run's page in the UI of the tracking server, None if the store has no server."""
        uri = mlflow.get_tracking_uri()
        if not is_server(uri):
            return None
        return f"{without_password(uri).rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"
