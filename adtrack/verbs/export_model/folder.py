"""The folder that an export is written to: what it may hold before, and what it holds afterwards."""

import shutil
from pathlib import Path

from adtrack.edge.formats import FORMATS
from adtrack.errors import UserError
from adtrack.findings import counted, listed
from adtrack.verbs.checks import check_writable

PROGRAMS = ("camera.py", "view.py")
README, DOCKERFILE, CHECK, SCORES = "README.md", "Dockerfile", "check.json", "scores.csv"
_OURS = (*PROGRAMS, README, DOCKERFILE, CHECK, SCORES)
_SUFFIXES = tuple(suffix for form in FORMATS.values() for suffix in form.suffixes)


def check_folder(out: Path) -> None:
    """Refuse a folder that cannot be written to, and one that holds anything else than an earlier export."""
    if out.exists() and not out.is_dir():
        raise UserError(f"out must be a folder, but {out} is a file.", "choose another --out.")
    others = _others(out)
    if others:
        raise UserError(
            f"out must be empty or hold an earlier export, but {out} holds {counted(len(others), 'other file')}: "
            f"{listed(others)}.",
            "choose another --out.",
        )
    check_writable(out)


def place(made: Path, out: Path) -> None:
    """Copy the files of the folder ``made`` to ``out``, in place of those of an earlier export."""
    check_folder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in out.iterdir():
            file.unlink()
        for file in made.iterdir():
            shutil.copyfile(file, out / file.name)
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {out} is not ({error.strerror or error}).",
            "choose another --out.",
        ) from error


def _others(out: Path) -> list[str]:
    """The names of what lies in a folder and no export has written: all of it, where there is no check of one."""
    there = sorted(out.iterdir()) if out.is_dir() else []
    known = [file.name for file in there if file.is_file() and (file.name in _OURS or file.suffix in _SUFFIXES)]
    return [file.name for file in there if file.name not in known or CHECK not in known]
