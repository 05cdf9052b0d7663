"""Writes the part of adtrack that turns images into scores into every model, and checks it there."""

import hashlib
import inspect
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import adtrack
from adtrack.detectors import detector_class
from adtrack.errors import UserError

FILE = "code.zip"
LOADER = "served_model.py"  # the file that MLflow runs; the zip file holds a copy of it to compare with
OLD_FOLDER = "code"  # models of earlier versions hold the code in this folder, and its digest in the file DIGEST
_METHODS = "detectors"
_ADDED = "added_method"  # the module's name in the copy for a method that does not lie in adtrack
_ROOMS = ("data", "features", "training", _METHODS)  # methods import from training where they learn
_FILES = (
    "__init__.py",
    "config.py",
    "errors.py",
    "findings.py",
    "cache.py",
    "naming.py",
    "progress.py",
    "settings.py",
    "threshold_spec.py",
    "troubles.py",
)
_PACKAGE = "adtrack_scoring_"  # followed by the digest, so that models of several versions can be loaded side by side


def write_scoring_code(bank: Path, method: str) -> None:
    """Write the code for a model of this method into the model's folder, as one zip file that Python can import.

    One file is loaded faster from a tracking server than many, because every file takes a request and a login.
    """
    source = Path(adtrack.__file__).parent
    files = [source / name for name in _FILES]
    files += [file for room in _ROOMS for file in (source / room).rglob("*.py")]
    modules = {file.relative_to(source).as_posix(): file.read_bytes() for file in files}
    modules[LOADER] = (source / "tracking" / LOADER).read_bytes()
    file = Path(inspect.getfile(detector_class(method)))
    if not file.is_relative_to(source):
        _add_method(modules, method, file)
    package = _package(modules)
    bank.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(bank / FILE, "w") as archive:
        for name in sorted(modules):
            # A ZipInfo has a fixed date, so the same code always gives the same bytes.
            entry = zipfile.ZipInfo(f"{package}/{name}")
            archive.writestr(entry, modules[name], zipfile.ZIP_DEFLATED)


def _add_method(modules: dict[str, bytes], method: str, file: Path) -> None:
    """Add the file of a method that lies outside adtrack, and its line in the dict of methods.

    In the copy, the file's imports from adtrack become imports from the code that lies beside it.
    """
    text, name = file.read_text(encoding="utf-8"), detector_class(method).__qualname__
    if re.search(r"^\s*(import adtrack\b|from adtrack import)", text, re.MULTILINE) or not name.isidentifier():
        raise UserError(
            f"a method outside adtrack must be a class at the top level of a file that imports names from adtrack's "
            f"modules, but {name} in {file} is not.",
            "write imports like this one: from adtrack.errors import UserError.",
        )
    modules[f"{_METHODS}/{_ADDED}.py"] = re.sub(
        r"^(\s*)from adtrack\.", r"\1from ..", text, flags=re.MULTILINE
    ).encode()
    line = f"\nfrom .{_ADDED} import {name}\n\nDETECTORS[{json.dumps(method)}] = {name}\n"
    modules[f"{_METHODS}/__init__.py"] += line.encode()


def is_as_logged(bank: Path) -> bool:
    """Whether the code in a model's folder and the file that loads it are as they were logged.

    Raises OSError or BadZipFile if they can't be read.
    """
    if not (bank / FILE).is_file():
        folder = bank / OLD_FOLDER
        modules = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.py")}
        return _digest(modules) == (folder / "DIGEST").read_text()
    with zipfile.ZipFile(bank / FILE) as archive:
        entries = {PurePosixPath(name): archive.read(name) for name in archive.namelist()}
    modules = {PurePosixPath(*path.parts[1:]).as_posix(): content for path, content in entries.items()}
    loader = bank.parents[1] / LOADER
    # Models of earlier versions hold no copy of the loader.
    as_logged = LOADER not in modules or modules[LOADER] == loader.read_bytes()
    return as_logged and {path.parts[0] for path in entries} == {_package(modules)}


def require_code(bank: Path) -> None:
    """Raise UserError unless the code of a model is as it was logged."""
    try:
        reason = "" if is_as_logged(bank) else "it is not the code that was logged"
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error)
    if reason:
        raise UserError(f"a model must hold the code that scores with it, but that in {bank} can't be used ({reason}).")


def _package(modules: Mapping[str, bytes]) -> str:
    return f"{_PACKAGE}{_digest(modules)[:16]}"


def _digest(modules: Mapping[str, bytes]) -> str:
    """The SHA-256 of the names and contents of all modules."""
    state = hashlib.sha256()
    for name in sorted(modules, key=PurePosixPath):
        state.update(name.encode() + b"\0" + modules[name])
    return state.hexdigest()
