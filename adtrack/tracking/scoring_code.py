"""The part of adtrack that turns images into scores, as every model carries it."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import adtrack

FILE = "code.zip"
OLD_FOLDER = "code"  # where models of earlier versions hold it file by file, its digest in DIGEST
_ROOMS = ("data", "features", "detectors")
_FILES = ("__init__.py", "config.py", "errors.py", "findings.py", "cache.py", "progress.py", "troubles.py")
_PACKAGE = "adtrack_scoring_"  # and the digest: models of several versions can be loaded side by side


def write_scoring_code(bank: Path) -> None:
    """Write the code into a model's folder as one zip file, which Python imports from where it is.

    One file, because a server is asked for each by itself, and asks in turn who is asking.
    """
    source = Path(adtrack.__file__).parent
    files = [source / name for name in _FILES]
    files += [file for room in _ROOMS for file in (source / room).rglob("*.py")]
    modules = {file.relative_to(source).as_posix(): file.read_bytes() for file in files}
    with zipfile.ZipFile(bank / FILE, "w") as archive:
        for name in sorted(modules):
            entry = zipfile.ZipInfo(f"{_package(modules)}/{name}")  # without the time: the same code, the same bytes
            archive.writestr(entry, modules[name], zipfile.ZIP_DEFLATED)


def is_as_logged(bank: Path) -> bool:
    """Whether the code in a model's folder is, by its digest, what was logged. OSError or BadZipFile: unreadable."""
    if not (bank / FILE).is_file():
        folder = bank / OLD_FOLDER
        modules = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.py")}
        return _digest(modules) == (folder / "DIGEST").read_text()
    with zipfile.ZipFile(bank / FILE) as archive:
        entries = {PurePosixPath(name): archive.read(name) for name in archive.namelist()}
    modules = {PurePosixPath(*path.parts[1:]).as_posix(): content for path, content in entries.items()}
    return {path.parts[0] for path in entries} == {_package(modules)}


def _package(modules: Mapping[str, bytes]) -> str:
    return f"{_PACKAGE}{_digest(modules)[:16]}"


def _digest(modules: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents."""
    state = hashlib.sha256()
    for name in sorted(modules, key=PurePosixPath):
        state.update(name.encode() + b"\0" + modules[name])
    return state.hexdigest()
