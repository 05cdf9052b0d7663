"""Tensors on disk with a digest that tells whether they are those that were written."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..progress import say
from ..troubles import is_full

_DIGEST = "sha256"  # the header of a file names its digest by this word


def is_as_written(file: Path) -> bool | None:
    """Whether the tensors in ``file`` are those that were written; None if it has no digest, as in earlier versions.

    Raises whatever safetensors raises if the file cannot be read.
    """
    told, held = _content(file)
    return None if told is None else told == _digest(file.stem, held)


def read_tensors(file: Path, damaged: str) -> dict[str, Tensor] | None:
    """The tensors in ``file``; None if there is no file, or if they are not surely those that were written.

    ``damaged`` is what is said of a file that was changed.
    """
    try:
        told, held = _content(file)
        whole = None if told is None else told == _digest(file.stem, held)
    except FileNotFoundError:
        return None
    except Exception:  # whatever a parser makes of damaged bytes, they are damaged
        whole = False
    if whole is False:
        say(damaged)
    return held if whole else None


def write_tensors(file: Path, held: Mapping[str, Tensor], full: str) -> None:
    """Write tensors into ``file``, under another name until it is whole.

    They serve later work only: where the disk is full, ``full`` is said, and this work goes on without.
    """
    partial = file.with_suffix(".partial")
    try:
        save_file(dict(held), partial, {_DIGEST: _digest(file.stem, held)})
        partial.replace(file)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        if not is_full(error):
            raise
        say(full)


def _content(file: Path) -> tuple[str | None, dict[str, Tensor]]:
    """The digest that a file names (None if it has no header for one), and its tensors."""
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
        told = None if about is None else about.get(_DIGEST, "")
        names = list(opened.keys())
        return told, {name: opened.get_tensor(name) for name in names}


def _digest(key: str, held: Mapping[str, Tensor]) -> str:
    """The SHA-256 of the file's key and of its tensors' names, types, shapes and bytes."""
    state = hashlib.sha256(key.encode())
    for name in sorted(held):
        state.update(f"{name}:{held[name].dtype}:{tuple(held[name].shape)};".encode())
        state.update(held[name].numpy().tobytes())
    return state.hexdigest()
