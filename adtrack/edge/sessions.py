"""Runs exported graphs through ONNX Runtime or OpenVINO, without torch."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adtrack.edge.libraries import edge_libraries
from adtrack.errors import UserError
from adtrack.findings import first_line

_QUIET = 3  # ONNX Runtime's level at which only errors are printed


class Session(ABC):
    """A graph that is ready to be computed on the CPU. Several threads may compute it at once.

    ``name`` is that of the library in tables, and ``version`` is the library's version.
    """

    name: str
    version: str

    @abstractmethod
    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of the graph by their names. A later call leaves them as they are."""


class OnnxRuntimeSession(Session):
    """A ``.onnx`` file through ONNX Runtime, with so many ``threads``."""

    name = "ONNX Runtime"

    def __init__(self, file: Path, threads: int) -> None:
        with edge_libraries():
            import onnxruntime
        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        # Else its threads would go on spinning after an image, and take the cores from whatever comes next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._session.run(None, dict(inputs)), strict=True))


class OpenVinoSession(Session):
    """A ``.xml`` file, with its ``.bin`` beside it, through OpenVINO with so many ``threads``."""

    name = "OpenVINO"

    def __init__(self, file: Path, threads: int) -> None:
        with edge_libraries():
            import openvino
        self.version = openvino.__version__.partition("-")[0]
        # By default a CPU with bfloat16 would compute with it, which moves scores.
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        self._model = openvino.Core().compile_model(str(file), "CPU", options)
        self._names = [output.get_any_name() for output in self._model.outputs]
        self._requests = threading.local()  # a request computes for one thread at a time

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()
        outputs: Any = self._requests.own.infer(dict(inputs), share_inputs=True)  # read before this returns
        return {name: outputs[name] for name in self._names}


_SESSIONS: Mapping[str, type[OnnxRuntimeSession] | type[OpenVinoSession]] = {
    ".onnx": OnnxRuntimeSession,
    ".xml": OpenVinoSession,
}


def open_session(file: Path, threads: int = 1) -> Session:
    """The session of an exported model, with so many threads. UserError: the file cannot be used."""
    if file.suffix not in _SESSIONS or not file.is_file():
        raise UserError(
            f"an exported model must be a file {' or '.join(_SESSIONS)} that exists, but got {file}.",
            "adtrack export-model writes them.",
        )
    try:
        return _SESSIONS[file.suffix](file, threads)
    except UserError:
        raise
    except Exception as error:  # both libraries raise errors of their own for damaged files
        raise UserError(f"an exported model must be readable, but {file} is not ({first_line(error)}).") from error
