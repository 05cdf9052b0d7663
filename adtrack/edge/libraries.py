"""Guards the import of the libraries that only pip install 'adtrack[edge]' brings."""

import contextlib
import sys
from collections.abc import Iterator

from adtrack.errors import UserError

_TELEMETRY = "openvino_telemetry"


@contextlib.contextmanager
def edge_libraries() -> Iterator[None]:
    """Import onnx, onnxscript, onnxruntime, openvino or nncf inside. UserError: one of them is not installed.

    As soon as it is imported, OpenVINO tells its makers so over the network, and NNCF does the same with each call.
    Both send nothing where the package for it is missing, so it is made to look missing. A program that has imported it
    before keeps what it has.
    """
    if _TELEMETRY not in sys.modules:
        vars(sys)["modules"][_TELEMETRY] = None
    try:
        yield
    except ImportError as error:
        raise UserError(
            f"exported models need the libraries of the extra edge, but one is not installed ({error}).",
            "pip install 'adtrack[edge]' brings them.",
        ) from error
