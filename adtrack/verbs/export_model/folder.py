"""The folder that an export is written to: what it may hold before, and what it holds afterwards."""

import shutil
import tempfile
from pathlib import Path

from adtrack.config import from_json
from adtrack.errors import UserError
from adtrack.findings import counted, listed
from adtrack.verbs.checks import check_writable

PROGRAMS = ("camera.py", "model.py", "photos.py", "view.py")
README, DOCKERFILE, CHECK, SCORES = "README.md", "Dockerfile", "check.json", "scores.csv"
COMPANIONS = (*PROGRAMS, README, DOCKERFILE, CHECK, SCORES)
FAILED_CHECK, FAILED_SCORES = "failed-check.json", "failed-scores.csv"  # of an export that was not kept
FILES = "files"  # the entry of a check that names all files of its export
_COMPILED = "__pycache__"  # a folder that Python writes where programs are


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
    """Copy the files of the folder ``made`` to ``out``, in place of those of an earlier export.

    An earlier export stays as it is until all files are copied, and also beside one that has failed its check.
    """
    check_folder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        earlier, new = _written(out), {file.name for file in made.iterdir()}
        with tempfile.TemporaryDirectory(dir=out, prefix="new-") as copied:
            for name in new:
                shutil.copyfile(made / name, Path(copied) / name)
            for name in new:
                (Path(copied) / name).replace(out / name)
        if CHECK in new:
            for name in earlier - new:
                (out / name).unlink()
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {out} is not ({error.strerror or error}).",
            "choose another --out.",
        ) from error


def _others(out: Path) -> list[str]:
    """The names of what lies in a folder and no export has written: all of it, where there is no check of one."""
    there = sorted(out.iterdir()) if out.is_dir() else []
    known = _written(out)
    return [file.name for file in there if file.name not in known and not (known and file.name == _COMPILED)]


def _written(out: Path) -> set[str]:
    """The names of the files in a folder that earlier exports have written, as their checks tell."""
    told: set[str] = set()
    for check in (CHECK, FAILED_CHECK):
        try:
            told.update(from_json((out / check).read_text(encoding="utf-8"))[FILES])
        except (OSError, ValueError, KeyError, TypeError):  # none of an export's
            continue
    there = out.iterdir() if out.is_dir() else ()
    return {file.name for file in there if file.name in told and file.is_file()}
