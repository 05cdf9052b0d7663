"""The formats that models are exported to, what each needs and is called, and the names in exported graphs.

Importing this is quick.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adtrack.errors import UserError

ONNX, OPENVINO = "onnx", "openvino"
INPUT, SCORE, LABEL, MAP = "view", "score", "label", "anomaly_map"  # the names in every exported graph


@dataclass(frozen=True)
class Format:
    """A format: its name for people, the suffixes of its files, the first of which names the model, the packages that
    write and check it, and those that score with it elsewhere."""

    title: str
    suffixes: tuple[str, ...]
    writes: tuple[str, ...]
    scores: tuple[str, ...]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ONNX: Format("ONNX", (".onnx",), ("onnx", "onnxscript", "onnxruntime"), ("numpy", "pillow", "onnxruntime")),
        OPENVINO: Format(
            "OpenVINO", (".xml", ".bin"), ("onnx", "onnxscript", "openvino"), ("numpy", "pillow", "openvino")
        ),
    }
)


def check_format(name: str, int8: bool = False) -> Format:
    """The format of this name, maybe for a network with 8 bits. UserError: there is none, or a package that it needs is
    not installed."""
    if name not in FORMATS:
        raise UserError(f"format must be {' or '.join(FORMATS)}, but got {name!r}.")
    needed = (*FORMATS[name].writes, *(("nncf",) if int8 else ()))
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"an export to {FORMATS[name].title} needs {' and '.join(needed)}, but {missing[0]} is not installed.",
            "pip install 'adtrack[edge]' brings them.",
        )
    return FORMATS[name]
