"""Files with weights, as training scripts, hubs and exporters write them → tensors by name.

Whatever the files hold, no code in them runs.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import UserError
from ..findings import listed

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # where a training script's checkpoint keeps its weights
_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_ZIP = b"PK\x03\x04"
_AGAIN = "its download or copy was cut off, or it is another kind of file: get it again."


def read_tensors(file: Path, *, may_be_empty: bool = False) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a mapping or a checkpoint that ``torch.save`` wrote.

    UserError: there is no such file, it is none of these, or it holds no tensors although it must.
    """
    if not file.is_file():
        raise UserError(f"weights must be imagenet, random or a file, but there is no file {str(file)!r}.")
    try:
        _refuse_known(file)
        content = load_file(file) if file.suffix == ".safetensors" else _torch_load(file)
    except UserError:
        raise
    except Exception as error:  # a parser may raise anything on hostile bytes; the file is not usable in any case
        raise UserError(
            f"weights must be a readable .pth or .safetensors file of tensors, but {file.name} is not.", _AGAIN
        ) from error
    tensors = _by_name(content)
    if not tensors and not may_be_empty:
        raise UserError(
            f"weights must be a mapping from names to tensors, but {file.name} holds something else.",
            "save model.state_dict().",
        )
    return tensors


def _refuse_known(file: Path) -> None:
    """Refuse a file whose first bytes show that it holds no weights."""
    with file.open("rb") as stream:
        start = stream.read(len(_POINTER))
    if not start:
        raise UserError(f"weights must hold tensors, but {file.name} is empty.", _AGAIN)
    if start == _POINTER:
        raise UserError(
            f"weights must be the file itself, but {file.name} is Git LFS's pointer to it.", "fetch it: git lfs pull."
        )
    if start.lstrip().lower().startswith(_PAGES):
        raise UserError(
            f"weights must be the file itself, but {file.name} is a web page.",
            "its address shows a page, perhaps a login: find the address of the file.",
        )


def _torch_load(file: Path) -> object:
    with file.open("rb") as stream:
        zipped = stream.read(len(_ZIP)) == _ZIP
    if zipped:
        _check_zip(file)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        # The pickle is searched for names; it is not run.
        objects = torch.serialization.get_unsafe_globals_in_checkpoint(file) if zipped else []
        if not objects:
            raise
        raise UserError(
            f"weights must be tensors by name, but {file.name} holds Python objects ({listed(sorted(objects))}), which "
            "might run anything.",
            "where you trust it, save the tensors alone: torch.save(model.state_dict(), 'weights.pth').",
        ) from error


def _check_zip(file: Path) -> None:
    """Refuse a program, and compressed content: torch writes none, and it might need far more memory than the file."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise UserError(
            f"weights must be tensors by name, but {file.name} is a TorchScript program.",
            "where you trust it, save its tensors: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth').",
        )
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if compressed or sum(entry.file_size for entry in entries) > file.stat().st_size:
        raise UserError(
            f"weights must lie in their file as torch.save writes them, but those in {file.name} are compressed.",
            "save the tensors again, with torch.save or as .safetensors.",
        )


def _by_name(content: object) -> dict[str, Tensor]:
    """The tensors of a mapping or, if it is a checkpoint that holds weights among other things, of those weights."""
    if not isinstance(content, Mapping):
        return {}
    places = (*(content.get(key) for key in _WRAPPERS), content)
    found = (
        {name: value for name, value in place.items() if isinstance(name, str) and isinstance(value, Tensor)}
        for place in places
        if isinstance(place, Mapping)
    )
    return next(filter(None, found), {})
