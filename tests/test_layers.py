"""The street runs one way: import-linter's contracts, and which rooms may open mlflow and optuna."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "adtrack"


def imported(file: Path) -> Iterator[str]:
    """The top-level packages that a module imports, wherever in its text."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    ("library", "room"),
    [
        ("mlflow", "tracking"),
        ("optuna", "tuning"),
        ("anomalib", "detectors"),
        ("ray", "scale"),
        ("fsspec", "scale"),
        ("pyarrow", "verbs"),
        ("onnx", "edge"),
        ("onnxruntime", "edge"),
        ("openvino", "edge"),
        ("nncf", "edge"),
    ],
)
def test_one_room_opens_the_library(library: str, room: str) -> None:
    rooms = {file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py") if library in set(imported(file))}
    assert rooms == {room}


def test_rooms_that_models_copy_import_relatively() -> None:
    files = [file for room in ("data", "features", "detectors") for file in (PACKAGE / room).rglob("*.py")]
    assert len(files) > 20
    assert not [file for file in files if "adtrack" in set(imported(file))]


def test_import_contracts_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    checked = subprocess.run([*command, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout
