"""The scoring code that a model carries: one file, the same for the same code, and known by its digest."""

import ast
import hashlib
import shutil
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from adtrack.detectors import DETECTORS
from adtrack.detectors.patchcore import PatchCore
from adtrack.errors import UserError
from adtrack.tracking import served_model
from adtrack.tracking.scoring_code import FILE, OLD_FOLDER, is_as_logged, write_scoring_code
from tests.another_method import FarView


@pytest.fixture
def bank(tmp_path) -> Path:
    """A model's folder that holds the code and nothing else."""
    folder = tmp_path / "artifacts" / "bank"
    write_scoring_code(folder, "patchcore")
    shutil.copy(served_model.__file__, tmp_path)
    return folder


def modules(bank: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bank / FILE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(bank: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(bank / FILE, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def as_folder(bank: Path) -> Path:
    """The code as models of earlier versions hold it."""
    inside = {name.partition("/")[2]: content for name, content in modules(bank).items()}
    for name, content in inside.items():
        (bank / OLD_FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (bank / OLD_FOLDER / name).write_bytes(content)
    told = (name.encode() + b"\0" + inside[name] for name in sorted(inside, key=PurePosixPath))
    (bank / OLD_FOLDER / "DIGEST").write_text(hashlib.sha256(b"".join(told)).hexdigest())
    (bank / FILE).unlink()
    return bank / OLD_FOLDER


def test_it_is_the_part_that_scores_and_no_more(bank):
    packages = {name.partition("/")[0] for name in modules(bank)}
    files = {name.partition("/")[2] for name in modules(bank)}
    assert len(packages) == 1 and packages.pop().startswith("adtrack_scoring_")
    assert {"__init__.py", "errors.py", "data/loading.py", "features/backbone.py", "detectors/scorer.py"} <= files
    assert {Path(file).suffix for file in files} == {".py"} and not any("tracking" in file for file in files)


def test_whatever_it_imports_of_adtrack_is_in_it(bank):
    files = {name.partition("/")[2]: content for name, content in modules(bank).items()}
    for file, content in files.items():
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = file.split("/")[: -node.level]
                module = "/".join([*folder, *(node.module or "__init__").split(".")])
                assert {f"{module}.py", f"{module}/__init__.py"} & files.keys(), f"{file} imports {module}"


def test_the_same_code_gives_the_same_bytes(bank, tmp_path):
    (tmp_path / "again").mkdir()
    write_scoring_code(tmp_path / "again", "padim")
    assert (bank / FILE).read_bytes() == (tmp_path / "again" / FILE).read_bytes()


@pytest.mark.parametrize("what", ["changed", "added", "left out", "renamed", "moved"])
def test_other_code_is_noticed(bank, what):
    assert is_as_logged(bank)
    files = modules(bank)
    (name,) = (name for name in files if name.endswith("/config.py"))
    package = name.partition("/")[0]
    if what == "added":
        files[f"{package}/more.py"] = b""
    else:
        content = files.pop(name)
        new = {"changed": name, "renamed": f"{package}/configuration.py", "moved": "adtrack/config.py"}
        if what in new:
            files[new[what]] = content + b"import os\n" * (what == "changed")
    pack(bank, files)
    assert not is_as_logged(bank)


def test_a_file_that_is_no_archive_is_an_error(bank):
    (bank / FILE).write_bytes(b"garbage")
    with pytest.raises(zipfile.BadZipFile):
        is_as_logged(bank)


def test_the_folder_of_earlier_versions_is_read_too(bank):
    folder = as_folder(bank)
    assert is_as_logged(bank)
    (folder / "config.py").write_text("import os")
    assert not is_as_logged(bank)
    shutil.rmtree(folder)
    with pytest.raises(OSError):
        is_as_logged(bank)


def test_the_file_of_a_method_that_lies_elsewhere_is_taken_along(tmp_path, monkeypatch):
    monkeypatch.setitem(DETECTORS, "far-view", FarView)
    write_scoring_code(tmp_path, "far-view")
    files = {name.partition("/")[2]: content.decode() for name, content in modules(tmp_path).items()}
    added = files["detectors/added_method.py"]
    assert "class FarView" in added and "from adtrack" not in added and "from ..detectors.contract import" in added
    assert files["detectors/__init__.py"].endswith('\nDETECTORS["far-view"] = FarView\n')
    write_scoring_code(tmp_path / "other", "padim")
    assert not [name for name in modules(tmp_path / "other") if "added" in name]


def test_a_method_that_could_not_be_taken_along_is_refused(tmp_path, monkeypatch):
    class Inside(PatchCore):
        pass

    monkeypatch.setitem(DETECTORS, "inside", Inside)
    with pytest.raises(UserError, match=r"must be a class at the top level of a file .* but .*Inside in .* is not"):
        write_scoring_code(tmp_path, "inside")
