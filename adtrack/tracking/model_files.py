"""What is wrong with the files of a model: missing, damaged, not to be loaded. Looks without changing anything."""

from collections.abc import Iterable
from pathlib import Path

import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModel

from adtrack.detectors import gaussians
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.seal import check_seal, require_all, require_seal
from adtrack.errors import UserError
from adtrack.tracking.models import ARTIFACT
from adtrack.tracking.places import local_folder
from adtrack.tracking.scoring_code import FILE, OLD_FOLDER, require_code
from adtrack.tracking.tags import MANIFEST

_BANK = f"artifacts/{ARTIFACT}"
_FILES = ("MLmodel", f"{_BANK}/scorer.json", f"{_BANK}/detector.json")
_CODE = (f"{_BANK}/{FILE}", f"{_BANK}/{OLD_FOLDER}")  # one of them
_TENSORS = (f"{_BANK}/bank.safetensors", f"{_BANK}/{gaussians.FILE}")  # PatchCore's or PaDiM's


def trouble_of(model: LoggedModel | None, loads: bool, told: str | None = None) -> str | None:
    """What is wrong with a model's files, None if nothing is. Where that needs no transfer, they are compared with
    their digests (``told`` is the manifest's that the version names), and one in use is loaded."""
    if model is None:
        return "its logged model has been deleted"
    missing = _missing(model)
    if missing:
        return f"{missing[0]} is missing" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    folder = local_folder(model.artifact_location)
    if not folder:
        return None
    digests = {digest for digest in (told, model.tags.get(MANIFEST)) if digest}
    return _is_damaged(folder / _BANK, digests) or (_does_not_load(folder / _BANK) if loads else None)


def _missing(model: LoggedModel) -> list[str]:
    """The needed files that are not there or empty."""
    folder = local_folder(model.artifact_location)
    if folder:
        there = {path for path in (*_FILES, *_CODE, *_TENSORS) if _holds_something(folder / path)}
    else:
        client = MlflowClient()
        listed = (item for part in ("", _BANK) for item in client.list_logged_model_artifacts(model.model_id, part))
        there = {item.path for item in listed if item.is_dir or item.file_size}
    lacking = [group[0] for group in (_CODE, _TENSORS) if not there & set(group)]
    return [file for file in _FILES if file not in there] + lacking


def _holds_something(path: Path) -> bool:
    return path.is_dir() or (path.is_file() and path.stat().st_size > 0)


def _is_damaged(bank: Path, digests: Iterable[str]) -> str | None:
    """How a model's folder differs from what its manifest says, or the manifest from these digests of it."""
    try:
        for digest in digests:
            require_seal(bank, digest)
        check_seal(bank)
        require_all(bank)
    except UserError as error:
        return error.rule.removesuffix(".")
    return None


def _does_not_load(bank: Path) -> str | None:
    """Why a registered model's folder can't be used: tensors, trunk (by its SHA-256), code (by its digest)."""
    try:
        Scorer.load(bank, torch.device("cpu"), _no_other_place)
        require_code(bank)
    except UserError as error:
        return error.rule.removesuffix(".")
    except Exception as error:  # whatever damaged files make of the code that reads them
        return f"it cannot be read ({error})"
    return None


def _no_other_place(run_id: str, path: str) -> str:
    raise FileNotFoundError(path)
