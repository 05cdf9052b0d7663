"""Small files of the cache that remember what took long to find out.

Each names the SHA-256 of its content: what is damaged is as good as forgotten.
"""

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

from ..cache import cache_folder
from ..config import from_json

ROOM = "checked"
SUFFIX = ".json"


def memory_file(key: str) -> Path:
    """The file of the memory called ``key``, a SHA-256."""
    return cache_folder(ROOM, key + SUFFIX)


def read_memory(file: Path) -> dict[str, Any] | None:
    """The entries of a memory; None if there is none, or if it is not what was written."""
    try:
        told = from_json(file.read_bytes())
        entries = told["entries"]
        whole = isinstance(entries, dict) and told["sha256"] == _digest(file.stem, entries)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return entries if whole else None


def write_memory(file: Path, entries: dict[str, Any]) -> None:
    """Write the entries under another name, which becomes the file's own when they are complete. OSError: it fails."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial_file = file.with_name(f"{file.stem}-{uuid.uuid4().hex}.partial")
    try:
        text = json.dumps({"sha256": _digest(file.stem, entries), "entries": entries})
        partial_file.write_text(text, encoding="ascii")
        partial_file.replace(file)
    finally:
        partial_file.unlink(missing_ok=True)


def _digest(key: str, entries: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([key, entries], sort_keys=True).encode()).hexdigest()
