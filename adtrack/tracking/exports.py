"""Exports beside the models that they were made of: ONNX files are models of MLflow's own, too."""

import re
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

import adtrack
from adtrack.edge.agreement import Agreement, Differences
from adtrack.edge.formats import INPUT, LABEL, MAP, SCORE
from adtrack.edge.onnx_file import onnx_library
from adtrack.tracking.models import new_model
from adtrack.tracking.run import Run
from adtrack.tracking.tags import EXPORTED_FROM, EXPORTS, HOLDS, NOTE, export_in

FOLDER = "export"  # of the run's files: all that was written to the user's folder


def log_onnx(run: Run, file: Path, side: int, *, maps: bool, model: str) -> str:
    """Log an ONNX file as a model of a run, which MLflow can serve. Returns its ``models:/…`` URI.

    ``side`` is that of its views in pixels, ``maps`` says whether it gives maps, and ``model`` of what it was made.
    """
    drawn = [TensorSpec(np.dtype(np.float32), (1, side, side), MAP)] if maps else []
    score, label = TensorSpec(np.dtype(np.float32), (1,), SCORE), TensorSpec(np.dtype(np.int64), (1,), LABEL)
    view = TensorSpec(np.dtype(np.uint8), (1, side, side, 3), INPUT)
    uri: str = Model.log(
        artifact_path=None,  # an older parameter for the name, which MLflow still requires
        flavor=mlflow.onnx,
        run_id=run.run_id,
        model_id=new_model(run, f"{model_words(model)} as ONNX", {HOLDS: EXPORTS, EXPORTED_FROM: model}),
        onnx_model=onnx_library().load(str(file)),
        signature=ModelSignature(Schema([view]), Schema([score, label, *drawn])),
        pip_requirements=[f"{name}=={version(name)}" for name in ("mlflow", "numpy", "onnx", "onnxruntime")],
        onnx_execution_providers=["CPUExecutionProvider"],  # by which it was checked
        save_as_external_data=False,
        metadata={"adtrack": adtrack.__version__, "exported_from": model},
    ).model_uri
    return uri


def model_words(address: str) -> str:
    """``models:/adtrack-zipper/3`` without the signs that MLflow takes in no name: ``adtrack-zipper 3``."""
    return re.sub(r"[/:.%\"']", " ", address.removeprefix("models:/"))


def log_agreement(run: Run, agreement: Agreement) -> None:
    """Log how an export agrees with its model, as metrics of each image set."""
    found = {name: agreement.differences(name) for name in agreement.sets}
    run.log_metrics(
        {f"{name}/export_{key}": value for name, one in found.items() for key, value in _points(one).items()}
    )


def show_page(run: Run, uri: str, text: str) -> None:
    """Show what is told of an export, Markdown, on the page of its run and, if it is a model, on the model's."""
    run.set_note(text)
    if uri.startswith("models:/"):
        MlflowClient().set_logged_model_tags(uri.removeprefix("models:/"), {NOTE: text})


def mark_export(model: str, format_name: str, uri: str) -> None:
    """Tell by a tag of a version, or of a logged model that is no version, where its latest export in a format is."""
    client = MlflowClient()
    name, slash, number = model.removeprefix("models:/").rpartition("/")
    if slash:
        client.set_model_version_tag(name, number, export_in(format_name), uri)
    else:
        client.set_logged_model_tags(number, {export_in(format_name): uri})


def _points(one: Differences) -> dict[str, float]:
    maps = {} if one.maps is None else {"map_median": one.maps[0], "map_greatest": one.maps[1]}
    return {"score_median": one.scores[0], "score_greatest": one.scores[1], **maps, "labels_changed": one.changed}
