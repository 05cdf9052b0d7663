"""The code that MLflow runs when it loads a bank: it needs neither adtrack nor a network.

The model's folder holds a copy of the code that scored when the bank was logged. It is imported under a name of its
own, so that it neither hides an installed adtrack nor is hidden by one.
"""

import base64
import importlib.util
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


class BankModel(PythonModel):
    """Scores images: a uint8 batch (n, H, W, 3), or a table whose first column holds paths, encoded bytes or base64."""

    def load_context(self, context):
        """Read bank, trunk and code from the model's folder."""
        folder = Path(context.artifacts["bank"])
        self._code = _import_code(folder / "code")
        scorer = self._code.detectors.scorer
        device = self._code.features.backbone.choose_device("auto")
        self._scorer = scorer.Scorer.load(folder, device, _fetch)

    # MLflow warns of every model whose input has no type hint; this one it accepts, and it checks nothing by it.
    def predict(self, context, model_input: np.ndarray, params=None):
        """A row an image: score, threshold, label (1 = anomalous) and, with ``return_map``, the anomaly map."""
        with_map = bool((params or {}).get("return_map", False))
        rows = []
        for image in self._images(model_input):
            judged = self._scorer.judge(image)
            row = {"score": judged.score, "threshold": judged.threshold, "label": int(judged.anomalous)}
            if with_map:
                found = self._scorer.map(judged, *image.shape[:2])
                row["anomaly_map"] = np.where(np.isnan(found), None, found).tolist()  # JSON has no NaN
            rows.append(row)
        return pd.DataFrame(rows, columns=["score", "threshold", "label", *(["anomaly_map"] if with_map else [])])

    def _images(self, model_input):
        if isinstance(model_input, pd.DataFrame):
            if model_input.shape[1] == 0:
                raise ValueError("a table of images must have a column with paths, encoded bytes or base64.")
            model_input = model_input.iloc[:, 0].tolist()
        if isinstance(model_input, list) and all(isinstance(item, str | bytes) for item in model_input):
            return (self._decoded(item, f"row {row}") for row, item in enumerate(model_input))
        batch = _array(model_input)
        if batch.ndim != 4 or batch.shape[3] != 3 or batch.dtype.kind not in "ui":
            raise ValueError(f"images must be a uint8 batch (n, H, W, 3), but got {batch.dtype} {batch.shape}.")
        if batch.size and (batch.min() < 0 or batch.max() > 255):
            raise ValueError(f"pixels must lie in 0 … 255, but got {batch.min()} … {batch.max()}.")
        return iter(batch.astype(np.uint8))

    def _decoded(self, item, name):
        decode = self._code.data.loading.decode
        if isinstance(item, bytes):
            return decode(item, name)
        if _is_file(item):
            return decode(Path(item), item)
        try:
            return decode(base64.b64decode(item.removeprefix("data:").rpartition("base64,")[2], validate=True), name)
        except (ValueError, TypeError) as error:
            if isinstance(error, self._code.errors.UserError):
                raise
            raise ValueError(f"an image must be a file or base64, but {name} is {item[:60]!r}.") from error


def _array(model_input):
    """As an array; what has no common shape becomes one of objects, which is no batch."""
    try:
        return np.asarray(model_input)
    except ValueError:
        return np.empty(0, dtype=object)


def _is_file(text):
    try:
        return Path(text).is_file()
    except OSError:  # too long for a path, as base64 is
        return False


def _import_code(folder):
    """The package in ``folder`` under a name that holds its digest."""
    name = f"adtrack_scoring_{(folder / 'DIGEST').read_text().strip()[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
        for module in ("errors", "data.loading", "features.backbone", "features.weights", "detectors.scorer"):
            importlib.import_module(f"{name}.{module}")
    return sys.modules[name]


def _fetch(run_id, path):
    """A file of a run: where a trial's model, which has no trunk of its own, finds its study's."""
    return mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path)


mlflow.models.set_model(BankModel())
