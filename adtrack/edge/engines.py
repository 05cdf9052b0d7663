"""Runs models on views: exported ones through ONNX Runtime or OpenVINO, and a detector itself through torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adtrack.data.loading import normalised
from adtrack.detectors.maps import view_map
from adtrack.detectors.scorer import Scorer
from adtrack.edge.libraries import edge_libraries
from adtrack.errors import UserError
from adtrack.findings import first_line

INPUT, SCORE, LABEL, MAP = "view", "score", "label", "anomaly_map"  # the names in every exported graph
_QUIET = 3  # ONNX Runtime's level at which only errors are printed


@dataclass(frozen=True)
class Found:
    """What a model finds in a view: the score, 1 if it is anomalous and else 0, and the anomaly map of the view.

    ``map`` is float32 (S, S); None if the method has no maps.
    """

    score: float
    label: int
    map: np.ndarray | None


class Engine(ABC):
    """Something that scores views; ``name`` says what it is in tables."""

    name: str

    @abstractmethod
    def run(self, view: np.ndarray) -> Found:
        """Score one view uint8 (S, S, 3), whose size must be the one that the model was made for."""


class OnnxRuntime(Engine):
    """A ``.onnx`` file on the CPU through ONNX Runtime."""

    name = "ONNX Runtime"

    def __init__(self, file: Path, threads: int) -> None:
        with edge_libraries():
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, view: np.ndarray) -> Found:
        """Score one view uint8 (S, S, 3)."""
        return _found(dict(zip(self._names, self._session.run(None, {INPUT: view[None]}), strict=True)))


class OpenVino(Engine):
    """A ``.xml`` file, with its ``.bin`` beside it, on the CPU through OpenVINO."""

    name = "OpenVINO"

    def __init__(self, file: Path, threads: int) -> None:
        with edge_libraries():
            import openvino
        # By default a CPU with bfloat16 would compute with it, which moves scores.
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        self._model = openvino.Core().compile_model(str(file), "CPU", options)
        self._names = [output.get_any_name() for output in self._model.outputs]

    def run(self, view: np.ndarray) -> Found:
        """Score one view uint8 (S, S, 3)."""
        outputs = self._model({INPUT: view[None]})
        return _found({name: outputs[name] for name in self._names})


class Torch(Engine):
    """The registered detector itself, as every verb of adtrack runs it."""

    name = "torch"

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def run(self, view: np.ndarray) -> Found:
        """Score one view uint8 (S, S, 3)."""
        scorer = self._scorer
        judged = scorer.judge_outputs(scorer.backbone(torch.from_numpy(normalised(view, scorer.image))[None]))
        drawn, grid = None, scorer.detector.grid
        if judged.patches is not None and grid is not None:
            cells = torch.from_numpy(judged.patches)
            drawn = view_map(cells, grid, scorer.image.size, scorer.detector.smoothing).float().numpy()
        return Found(judged.score, int(judged.anomalous), drawn)


_ENGINES: Mapping[str, type[OnnxRuntime] | type[OpenVino]] = {".onnx": OnnxRuntime, ".xml": OpenVino}


def open_engine(file: Path, threads: int = 1) -> Engine:
    """The engine of an exported model, with so many threads. UserError: the file cannot be used."""
    if file.suffix not in _ENGINES or not file.is_file():
        raise UserError(
            f"an exported model must be a file {' or '.join(_ENGINES)} that exists, but got {file}.",
            "adtrack export-model writes them.",
        )
    try:
        return _ENGINES[file.suffix](file, threads)
    except UserError:
        raise
    except Exception as error:  # both libraries raise errors of their own for damaged files
        raise UserError(f"an exported model must be readable, but {file} is not ({first_line(error)}).") from error


def _found(outputs: Mapping[str, Any]) -> Found:
    """What the outputs of a graph for one view say. The arrays may be the engine's own, so they are copied."""
    drawn = outputs.get(MAP)
    map_ = None if drawn is None else np.array(drawn[0], dtype=np.float32)
    return Found(float(outputs[SCORE][0]), int(outputs[LABEL][0]), map_)
