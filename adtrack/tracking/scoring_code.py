"""The part of adtrack that turns images into scores, as every model carries it."""

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
LOADER = "served_model.py"  # what MLflow runs; a copy in the zip file says what it was
OLD_FOLDER = "code"  # where models of earlier versions hold it file by file, its digest in DIGEST
_METHODS = "detectors"
_ADDED = "added_method"  # what the file of a method is called that does not lie in adtrack
_ROOMS = ("data", "features", _METHODS)
_FILES = (
    "__init__.py",
    "config.py",
    "errors.py",
    "findings.py",
    "cache.py",
    "naming.py",
    "progress.py",
    "settings.py",
    "troubles.py",
)
_PACKAGE = "adtrack_scoring_"  # and the digest: models of several versions can be loaded side by side


def write_scoring_code(bank: Path, method: str) -> None:
    """Write the code into the folder of a model of this method as one zip file, which Python imports from where it is.

    It is one file, because a server is asked for each by itself, and asks in turn who is asking.
    """
    source = Path(adtrack.__file__).parent
    files = [source / name for name in _FILES]
    files += [file for room in _ROOMS for file in (source / room).rglob("*.py")]
    modules = {file.relative_to(source).as_posix(): file.read_bytes() for file in files}
    modules[LOADER] = (source / "tracking" / LOADER).read_bytes()
    file = Path(inspect.getfile(detector_class(method)))
    if not file.is_relative_to(source):
        _take_along(modules, method, file)
    bank.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(bank / FILE, "w") as archive:
        for name in sorted(modules):
            entry = zipfile.ZipInfo(f"{_package(modules)}/{name}")  # without the time: the same code, the same bytes
            archive.writestr(entry, modules[name], zipfile.ZIP_DEFLATED)


def _take_along(modules: dict[str, bytes], method: str, file: Path) -> None:
    """Add the file of a method that lies elsewhere, and its line in the methods' dict.

    What the file imports of adtrack, it imports here of the code that lies beside it.
    """
    text, name = file.read_text(encoding="utf-8"), detector_class(method).__qualname__
    if re.search(r"^\s*(import adtrack\b|from adtrack import)", text, re.MULTILINE) or not name.isidentifier():
        raise UserError(
            f"a method outside adtrack must be a class at the top of its file that imports from modules of adtrack by "
            f"name, but {name} in {file} is none.",
            "write from adtrack.errors import UserError, and the like.",
        )
    modules[f"{_METHODS}/{_ADDED}.py"] = re.sub(
        r"^(\s*)from adtrack\.", r"\1from ..", text, flags=re.MULTILINE
    ).encode()
    line = f"\nfrom .{_ADDED} import {name}\n\nDETECTORS[{json.dumps(method)}] = {name}\n"
    modules[f"{_METHODS}/__init__.py"] += line.encode()


def is_as_logged(bank: Path) -> bool:
    """Whether the code in a model's folder, and what loads it, are what was logged. OSError, BadZipFile: unreadable."""
    if not (bank / FILE).is_file():
        folder = bank / OLD_FOLDER
        modules = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.py")}
        return _digest(modules) == (folder / "DIGEST").read_text()
    with zipfile.ZipFile(bank / FILE) as archive:
        entries = {PurePosixPath(name): archive.read(name) for name in archive.namelist()}
    modules = {PurePosixPath(*path.parts[1:]).as_posix(): content for path, content in entries.items()}
    loader = bank.parents[1] / LOADER
    as_logged = LOADER not in modules or modules[LOADER] == loader.read_bytes()  # earlier versions held no copy
    return as_logged and {path.parts[0] for path in entries} == {_package(modules)}


def require_code(bank: Path) -> None:
    """UserError unless the code of a model is what was logged with it."""
    try:
        reason = "" if is_as_logged(bank) else "it is not the code that was logged"
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error)
    if reason:
        raise UserError(f"a model must hold the code that scores with it, but that of {bank} is of no use ({reason}).")


def _package(modules: Mapping[str, bytes]) -> str:
    return f"{_PACKAGE}{_digest(modules)[:16]}"


def _digest(modules: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents."""
    state = hashlib.sha256()
    for name in sorted(modules, key=PurePosixPath):
        state.update(name.encode() + b"\0" + modules[name])
    return state.hexdigest()
