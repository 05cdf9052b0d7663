"""Finds out what is wrong with the files of a model, and changes nothing."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path

import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModel

from adtrack.detectors.scorer import Scorer
from adtrack.detectors.seal import check_seal, require_all, require_seal
from adtrack.errors import UserError
from adtrack.tracking import trunks
from adtrack.tracking.models import ARTIFACT
from adtrack.tracking.places import local_folder
from adtrack.tracking.scoring_code import FILE, OLD_FOLDER, require_code
from adtrack.tracking.tags import HOLDS, MANIFEST, TRUNKS
from adtrack.tracking.trunks import read_trunk

_FOLDER = f"artifacts/{ARTIFACT}"
_FILES = ("MLmodel", f"{_FOLDER}/scorer.json", f"{_FOLDER}/detector.json")
_CODE = (f"{_FOLDER}/{FILE}", f"{_FOLDER}/{OLD_FOLDER}")  # a model has one of the two
_TRUNK_FILES = ("MLmodel", f"{trunks.FOLDER}/{trunks.DESCRIPTION}", f"{trunks.FOLDER}/{trunks.TENSORS}")
_TENSORS, _TRUNK = f"{_FOLDER}/*.safetensors", f"{_FOLDER}/trunk.safetensors"


def trouble_of(model: LoggedModel | None, loads: bool, told: str | None = None) -> str | None:
    """A clause that says what is wrong with a model's files. None if nothing is.

    Files on this machine are compared with their digests. If ``loads``, the model is loaded, too. ``told`` is the
    digest of the manifest that the registered version keeps.
    """
    if model is None:
        return "its logged model has been deleted"
    missing = _missing_files(model)
    if missing:
        return f"{missing[0]} is missing" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    root = local_folder(model.artifact_location)
    if not root:
        return None
    folder, load = (root / trunks.FOLDER, read_trunk) if _is_trunk(model) else (root / _FOLDER, _load_detector)
    digests = {digest for digest in (told, model.tags.get(MANIFEST)) if digest}
    return _damage(folder, digests) or (_loading_error(folder, load) if loads else None)


def _is_trunk(model: LoggedModel) -> bool:
    return bool(model.tags.get(HOLDS) == TRUNKS)


def _missing_files(model: LoggedModel) -> list[str]:
    """The files that a model needs and that do not exist or are empty."""
    if _is_trunk(model):
        there = _existing(model, trunks.FOLDER)
        return [file for file in _TRUNK_FILES if file not in there]
    there = _existing(model, _FOLDER)
    missing = [file for file in _FILES if file not in there]
    if not there & set(_CODE):
        missing.append(_CODE[0])
    if not any(fnmatch(file, _TENSORS) for file in there - {_TRUNK}):
        missing.append(_TENSORS)
    return missing


def _existing(model: LoggedModel, inner: str) -> set[str]:
    """The paths of the model's files that are not empty, and of its folders, at its top and in the folder ``inner``."""
    folder, parts = local_folder(model.artifact_location), ("", inner)
    if folder:
        found = (path for part in parts if (folder / part).is_dir() for path in (folder / part).iterdir())
        return {path.relative_to(folder).as_posix() for path in found if path.is_dir() or path.stat().st_size}
    client = MlflowClient()
    listed = (item for part in parts for item in client.list_logged_model_artifacts(model.model_id, part))
    return {item.path for item in listed if item.is_dir or item.file_size}


def _damage(folder: Path, digests: Iterable[str]) -> str | None:
    """How a model's folder differs from its manifest, or its manifest from the store's digests. None if all agree."""
    try:
        for digest in digests:
            require_seal(folder, digest)
        check_seal(folder)
        require_all(folder)
    except UserError as error:
        return error.rule.removesuffix(".")
    return None


def _loading_error(folder: Path, load: Callable[[Path], object]) -> str | None:
    """Why a model cannot be loaded from its folder: because of its tensors, its network or its code. None if it can."""
    try:
        load(folder)
    except UserError as error:
        return error.rule.removesuffix(".")
    except Exception as error:  # code that reads damaged files may raise any error
        return f"it cannot be read ({error})"
    return None


def _load_detector(folder: Path) -> None:
    Scorer.load(folder, torch.device("cpu"), _fetch_nothing)
    require_code(folder)


def _fetch_nothing(run_id: str, path: str) -> str:
    raise FileNotFoundError(path)
