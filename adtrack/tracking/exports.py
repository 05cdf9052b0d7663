"""Exports beside the models that they were made of: ONNX files as models of MLflow's, all others as files of a run."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

import adtrack
from adtrack.edge.agreement import Agreement, Differences
from adtrack.edge.engines import INPUT, LABEL, MAP, SCORE
from adtrack.edge.formats import FORMATS
from adtrack.edge.onnx_file import onnx_library
from adtrack.tracking.models import new_model
from adtrack.tracking.registry import resolved
from adtrack.tracking.run import Run
from adtrack.tracking.tags import EXPORTED_FROM, EXPORTS, HOLDS, NOTE, export_in

FOLDER = "export"  # of the run's files: all that was written to the user's folder


def log_onnx(run: Run, file: Path, side: int, *, maps: bool, facts: Mapping[str, str]) -> str:
    """Log an ONNX file as a model of a run, which MLflow can serve. Returns its ``models:/…`` URI.

    ``side`` is that of its views in pixels, ``maps`` whether it gives maps, and ``facts`` are what it says of itself.
    """
    outputs = [TensorSpec(np.dtype(np.float32), (1,), SCORE), TensorSpec(np.dtype(np.int64), (1,), LABEL)]
    outputs += [TensorSpec(np.dtype(np.float32), (1, side, side), MAP)] if maps else []
    view = TensorSpec(np.dtype(np.uint8), (1, side, side, 3), INPUT)
    tags = {HOLDS: EXPORTS, EXPORTED_FROM: facts["exported_from"]}
    uri: str = Model.log(
        artifact_path=None,  # an older parameter for the name, which MLflow still requires
        flavor=mlflow.onnx,
        run_id=run.run_id,
        model_id=new_model(run, file.stem, tags),
        onnx_model=onnx_library().load(str(file)),
        signature=ModelSignature(Schema([view]), Schema(outputs)),
        pip_requirements=[f"{name}=={version(name)}" for name in ("mlflow", "numpy", "onnx", "onnxruntime")],
        onnx_execution_providers=["CPUExecutionProvider"],  # by which it was checked
        save_as_external_data=False,
        metadata={"adtrack": adtrack.__version__, **facts},
    ).model_uri
    return uri


def log_agreement(run: Run, agreement: Agreement) -> None:
    """Log how an export agrees with its model, as metrics by image set: shares of what may be read in its page."""
    found = {name: agreement.differences(name) for name in agreement.sets}
    run.log_metrics({f"{name}/export_{key}": value for name, one in found.items() for key, value in _points(one).items()})


def mark_export(model: str, format_name: str, uri: str) -> None:
    """Say where a model is listed that it has been exported in a format, and where to."""
    client, address = MlflowClient(), resolved(model)
    name, slash, number = address.removeprefix("models:/").rpartition("/")
    if slash:
        client.set_model_version_tag(name, number, export_in(format_name), uri)
    else:
        client.set_logged_model_tags(number, {export_in(format_name): uri})


def _points(one: Differences) -> dict[str, float]:
    maps = {} if one.maps is None else {"map_median": one.maps[0], "map_greatest": one.maps[1]}
    return {"score_median": one.scores[0], "score_greatest": one.scores[1], **maps, "labels_changed": one.changed}
