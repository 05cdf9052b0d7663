"""Writes whole models in any of the formats."""

from pathlib import Path

from adtrack.detectors.scorer import Scorer
from adtrack.edge.formats import FORMATS, ONNX, OPENVINO
from adtrack.edge.int8 import Int8Model, write_int8
from adtrack.edge.onnx_file import write_onnx
from adtrack.edge.openvino_file import write_openvino


def write_model(model: Scorer | Int8Model, format_name: str, stem: Path) -> Path:
    """Write a model, or one with an 8-bit network, in a format; the file's name without its suffix is ``stem``."""
    file = stem.with_suffix(FORMATS[ONNX].suffixes[0])
    if isinstance(model, Int8Model):
        write_int8(model, file)
    else:
        write_onnx(model, file)
    if format_name == OPENVINO:
        converted = stem.with_suffix(FORMATS[OPENVINO].suffixes[0])
        write_openvino(file, converted)
        file.unlink()
        return converted
    return file


def megabytes(file: Path) -> float:
    """The size of a model's files in MB (10⁶ bytes): of the file, and of those that only differ in the suffix."""
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.stem}.*")) / 1e6
