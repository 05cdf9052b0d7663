"""Sessions give the same outputs by the same names through both libraries, also to several threads at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from adtrack.edge.sessions import open_session
from adtrack.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``double.onnx`` and ``double.xml``, which give twice their input and its sum."""
    import onnx
    import openvino

    folder = tmp_path_factory.mktemp("double")
    number = onnx.TensorProto.FLOAT
    inputs = [onnx.helper.make_tensor_value_info("given", number, [1, 4])]
    outputs = [
        onnx.helper.make_tensor_value_info(name, number, shape) for name, shape in (("twice", [1, 4]), ("sum", [1, 1]))
    ]
    nodes = [
        onnx.helper.make_node("Add", ["given", "given"], ["twice"]),
        onnx.helper.make_node("ReduceSum", ["given"], ["sum"]),
    ]
    graph = onnx.helper.make_graph(nodes, "double", inputs, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / "double.onnx"))
    openvino.save_model(openvino.convert_model(str(folder / "double.onnx")), str(folder / "double.xml"))
    return folder


@pytest.mark.parametrize(("suffix", "library"), [(".onnx", "ONNX Runtime"), (".xml", "OpenVINO")])
def test_several_threads_get_the_outputs_of_their_own_inputs(folder: Path, suffix: str, library: str) -> None:
    session = open_session(folder / f"double{suffix}")
    assert session.name == library and session.version[0].isdigit()
    first = session({"given": np.ones((1, 4), np.float32)})
    session({"given": np.zeros((1, 4), np.float32)})
    assert (first["twice"] == 2).all()  # a later call leaves it as it is

    def wrong(number: int) -> int:
        given = np.full((1, 4), number, dtype=np.float32)
        found = [session({"given": given}) for _ in range(50)]
        return sum(not (one["twice"] == 2 * number).all() or one["sum"].item() != 4 * number for one in found)

    with ThreadPoolExecutor(4) as pool:
        assert not sum(pool.map(wrong, range(8)))


def test_damaged_files_and_other_files_are_named(tmp_path: Path) -> None:
    for name, words in (
        ("model.onnx", "must be readable"),
        ("model.xml", "must be readable"),
        ("a.pt", ".onnx or .xml"),
    ):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(UserError, match=words):
            open_session(tmp_path / name)
    with pytest.raises(UserError, match="export-model writes them"):
        open_session(tmp_path / "missing.onnx")


def test_a_session_needs_no_torch() -> None:
    code = "import sys, adtrack.edge.sessions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
