"""The libraries of the extra: they are named where they are missing, and tell nobody that they are used."""

import subprocess
import sys

import pytest

from adtrack.edge.libraries import edge_libraries
from adtrack.errors import UserError


def test_a_missing_library_is_named_with_what_brings_it() -> None:
    with pytest.raises(UserError, match=r"not_there.* Hint: pip install 'adtrack\[edge\]'"), edge_libraries():
        import not_there  # noqa: F401


def test_openvino_sends_nothing() -> None:
    code = """
import sys
from adtrack.edge.libraries import edge_libraries
with edge_libraries():
    import openvino
assert openvino.Core().available_devices
assert "openvino_telemetry" not in {name for name, module in sys.modules.items() if module}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
