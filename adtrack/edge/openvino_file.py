"""Turns ONNX files of models into OpenVINO's own format: a graph in ``.xml`` and its numbers in ``.bin``."""

from pathlib import Path

from adtrack.edge.libraries import edge_libraries
from adtrack.errors import UserError
from adtrack.findings import first_line

SECTION = "adtrack"  # of the file's metadata


def write_openvino(onnx_file: Path, file: Path) -> None:
    """Write ``file``, which ends in ``.xml``, and its ``.bin``.

    All numbers stay float32: half as many bits would move scores. Metadata ``adtrack.…`` become entries of the section
    ``adtrack`` of OpenVINO's runtime information. UserError: OpenVINO has no form of it.
    """
    with edge_libraries():
        import onnx
        import openvino
    try:
        model = openvino.convert_model(str(onnx_file))
    except Exception as error:  # each step of the conversion has errors of its own
        raise UserError(
            f"a model can become an OpenVINO file only if OpenVINO knows all of its parts, but it does not "
            f"({first_line(error)}).",
            "--format onnx needs no conversion.",
        ) from error
    for entry in onnx.load(str(onnx_file), load_external_data=False).metadata_props:
        section, _, key = entry.key.partition(".")
        if section == SECTION:
            model.set_rt_info(entry.value, [SECTION, key])
    openvino.save_model(model, str(file), compress_to_fp16=False)
