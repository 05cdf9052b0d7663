"""``manifest.json``: the SHA-256 of every file of a saved model, so that a damaged model never scores unnoticed.

Without it, a flipped bit in a tensor or in JSON would be read as another threshold or another patch. The tracking store
keeps a digest of the manifest itself, so a file and the manifest cannot be changed together without being noticed.
"""

import hashlib
import json
from pathlib import Path

from ..config import from_json
from ..errors import UserError

FILE = "manifest.json"
_REMEDY = (
    "bring the model's files back from a backup, or build and register the model again; adtrack rollback makes the "
    "previous version champion."
)


def seal(folder: Path) -> None:
    """Write the manifest of all other files in ``folder``."""
    files = sorted(file for file in folder.iterdir() if file.name != FILE)
    text = json.dumps({file.name: sha256_of(file) for file in files}, indent=1)
    (folder / FILE).write_text(text, encoding="utf-8")


def check_seal(folder: Path) -> bool:
    """Whether there is a manifest; models of earlier versions have none. UserError if a file differs from it.

    Files that are missing are not looked for: reading them fails anyway.
    """
    listed = _listed(folder)
    if listed is None:
        return False
    for file in sorted(file for file in folder.iterdir() if file.is_file() and file.name != FILE):
        expected, actual = listed.get(file.name, "none"), sha256_of(file)
        if actual != expected:
            raise UserError(
                f"a model's files must be as they were logged, but {file.name} in {folder} has SHA-256 "
                f"{actual[:12]}…, and its manifest says {expected[:12]}….",
                _REMEDY,
            )
    return True


def require_all(folder: Path) -> None:
    """Raise UserError unless all files that the manifest in ``folder`` lists exist."""
    missing = [name for name in _listed(folder) or {} if not (folder / name).is_file()]
    if missing:
        raise UserError(f"a model must have all of its files, but {folder} has no {', '.join(missing)}.", _REMEDY)


def seal_of(folder: Path) -> str:
    """SHA-256 of the manifest in ``folder``; "" if there is none."""
    return sha256_of(folder / FILE) if (folder / FILE).is_file() else ""


def require_seal(folder: Path, digest: str) -> None:
    """Raise UserError unless the manifest in ``folder`` has this SHA-256."""
    actual = seal_of(folder) or "none"
    if actual != digest:
        raise UserError(
            f"a model's {FILE} must have the SHA-256 that the store keeps, {digest[:12]}…, but "
            + (f"that in {folder} has {actual[:12]}…." if actual != "none" else f"{folder} has no such file."),
            _REMEDY,
        )


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _listed(folder: Path) -> dict[str, str] | None:
    try:
        listed: dict[str, str] = from_json((folder / FILE).read_text(encoding="utf-8"))
        if not all(Path(name).name == name and isinstance(digest, str) for name, digest in listed.items()):
            raise ValueError("it must list names and digests")
        return listed
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"a model must have a readable {FILE}, but {folder} has none ({error}).", _REMEDY) from error
