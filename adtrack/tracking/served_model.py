"""The code that MLflow runs when it loads a model of adtrack. It needs neither adtrack nor a network connection.

The model holds the scoring code as it was when the model was logged, in a zip file that Python imports directly.
The package in the zip file has a name of its own, so that it and an installed adtrack do not hide each other.
"""

import base64
import hashlib
import importlib.util
import json
import os
import sys
import threading
import zipfile
import zipimport
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.environment_variables import _MLFLOW_IS_IN_SERVING_ENVIRONMENT
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

COLUMN = "image"
MAP_PIXELS = 20_000_000  # at most, in all maps of one answer; a pixel takes about 20 bytes as text
SERVED_VARIABLE = "ADTRACK_SERVED_MEGAPIXELS"
_SERVED_MEGAPIXELS = 25.0  # at most, in an image sent to a server: a file of 100 kB can have 25, and take 0.5 GB
_AT_ONCE = 2  # images whose pixels are in memory: one is decoded while another is scored; others wait as files


class BadInput(MlflowException, ValueError):
    """A mistake of the caller: in Python a ValueError, over HTTP a status 400 with the sentence as its message."""

    def __init__(self, sentence):
        super().__init__(sentence, error_code=INVALID_PARAMETER_VALUE)
        self._sentence = sentence

    def serialize_as_json(self):
        """The body of the HTTP answer. MLflow's own body would have the whole input before the sentence."""
        return json.dumps({"error_code": self.error_code, "message": self._sentence})


class ServedModel(PythonModel):
    """Scores images, given as a uint8 batch (n, H, W, 3), or as a list or a column ``image`` of base64, bytes or paths.

    A server does not read paths, since its clients could then look for files on its machine.
    """

    def load_context(self, context):
        """Read the detector, the network and the code from the model's folder."""
        folder = Path(context.artifacts["bank"])
        self._code = _import_code(folder / "code.zip")
        scorer = self._code.detectors.scorer
        device = self._code.features.backbone.choose_device("auto")
        self._scorer = scorer.Scorer.load(folder, device, _fetch)
        self._served_pixels = _served_pixels()
        self._few_at_once = threading.BoundedSemaphore(_AT_ONCE)
        self._one_at_a_time = threading.Lock()  # a server answers requests in threads, which share torch's settings

    # MLflow warns of inputs without a type hint. It accepts this hint, and does not check the input against it.
    def predict(self, context, model_input: np.ndarray, params=None):
        """A table with a row for each image: score, threshold, label (1 = anomalous) and, if asked for, its map."""
        with_map = bool((params or {}).get("return_map", False))
        if with_map and not self._scorer.detector.has_maps:
            raise BadInput(
                "return_map must be false for this model, but it is true: its method scores whole images and has no "
                "anomaly maps."
            )
        rows, map_pixels = [], 0
        for load in self._images(model_input):
            with self._few_at_once:
                image = load()
                map_pixels += with_map * image.shape[0] * image.shape[1]
                if map_pixels > MAP_PIXELS:
                    raise BadInput(
                        f"the maps of one call must have at most {MAP_PIXELS:,} pixels together; send fewer images."
                    )
                with self._one_at_a_time:
                    rows.append(self._row(image, with_map))
                del image  # before another one is decoded
        return pd.DataFrame(rows, columns=["score", "threshold", "label", *(["anomaly_map"] if with_map else [])])

    def _row(self, image, with_map):
        judged = self._scorer.judge(image)
        row = {"score": judged.score, "threshold": judged.threshold, "label": int(judged.anomalous)}
        if with_map:
            found = self._scorer.map(judged, *image.shape[:2])
            row["anomaly_map"] = np.where(np.isnan(found), None, found).tolist()  # JSON has no NaN
        return row

    def _images(self, model_input):
        """Functions without arguments, each of which returns the pixels of one image."""
        items = _items(model_input)
        if isinstance(items, list) and all(isinstance(item, str | bytes) for item in items):
            return [partial(self._decoded, item, f"row {row}") for row, item in enumerate(items)]
        batch = _array(items)
        if (
            batch.ndim != 4
            or batch.shape[3] != 3
            or not batch.shape[1] * batch.shape[2]
            or batch.dtype.kind not in "ui"
        ):
            raise BadInput(
                "images must be base64 of image files, or pixels as a uint8 batch (n, H, W, 3), "
                f"but got {batch.dtype} {batch.shape}."
            )
        if batch.size and (batch.min() < 0 or batch.max() > 255):
            raise BadInput(f"pixels must lie in 0 … 255, but got {batch.min()} … {batch.max()}.")
        return [partial(image.astype, np.uint8) for image in batch]

    def _decoded(self, item, name):
        try:
            source, name = _source(item, name)
            limit = {"most": self._served_pixels} if _serves_others() else {}
            return self._scorer.read(source, name, **limit)
        except self._code.errors.UserError as error:
            raise BadInput(str(error)) from error


def _items(model_input):
    """The images of an input: a list of texts or bytes, or pixels."""
    if isinstance(model_input, dict | pd.DataFrame):
        if COLUMN not in model_input:
            names = ", ".join(map(str, model_input)) or "no column"
            raise BadInput(f"a table of images must have a column {COLUMN}, but it has {names[:200]}.")
        model_input = model_input[COLUMN]
    if isinstance(model_input, pd.Series):
        return model_input.tolist()
    if isinstance(model_input, np.ndarray) and model_input.ndim == 1:
        model_input = model_input.tolist()
    if isinstance(model_input, list) and not model_input:
        raise BadInput("there must be at least one image, but the list is empty.")
    return model_input


def _array(items):
    """The items as an array. If they have no common shape, an array that is no batch."""
    try:
        return np.asarray(items)
    except ValueError:
        return np.array(None)


def _source(item, name):
    """The encoded bytes or the path of an image, and its name in error messages."""
    if isinstance(item, bytes):
        return item, name
    paths_allowed = not _serves_others()
    if paths_allowed and _is_file(item):
        return Path(item), item
    text = "".join(item.removeprefix("data:").rpartition("base64,")[2].split())
    try:
        return base64.b64decode(text, validate=True), name
    except ValueError as error:
        kinds = "a file or base64" if paths_allowed else "base64 of an image file"
        raise BadInput(f"an image must be {kinds}, but {name} is {item[:60]!r}.") from error


def _serves_others():
    """Whether this process is a server: MLflow's sets a variable, and MLServer's module is imported."""
    return bool(_MLFLOW_IS_IN_SERVING_ENVIRONMENT.get()) or "mlserver" in sys.modules


def _served_pixels():
    """How many pixels an image that is sent to a server may have."""
    text = os.environ.get(SERVED_VARIABLE, "") or str(_SERVED_MEGAPIXELS)
    try:
        megapixels = float(text)
    except ValueError:
        megapixels = -1.0
    if not 0 < megapixels <= 100:
        raise MlflowException(f"{SERVED_VARIABLE} must be a number of megapixels in (0, 100], but is {text!r}.")
    return int(megapixels * 1_000_000)


def _is_file(text):
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # the text is too long for a path, as base64 is, or has a character that no path has
        return False


def _import_code(file):
    """Import the package in a zip file, whose name holds the digest of its code.

    Before any of its code runs, the zip file is compared with the manifest, and this file with its copy in there.
    """
    told = json.loads((file.parent / "manifest.json").read_text(encoding="utf-8"))
    _require(hashlib.sha256(file.read_bytes()).hexdigest() == told[file.name], file)
    with zipfile.ZipFile(file) as archive:
        name = archive.namelist()[0].partition("/")[0]
        _require(archive.read(f"{name}/served_model.py") == Path(__file__).read_bytes(), __file__)
    if name not in sys.modules:
        spec = zipimport.zipimporter(str(file)).find_spec(name)
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
        for module in ("errors", "data.loading", "features.backbone", "features.weights", "detectors.scorer"):
            importlib.import_module(f"{name}.{module}")
    return sys.modules[name]


def _require(as_logged, file):
    if not as_logged:
        raise MlflowException(f"a model's code must be as it was logged, but {file} is not; use another version.")


def _fetch(run_id, path):
    """Download a file of a run: a trial's model holds no network, and finds it in the run of its study."""
    return mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path)


mlflow.models.set_model(ServedModel())
