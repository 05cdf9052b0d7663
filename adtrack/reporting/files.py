"""Texts as files."""

from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Writes ``text`` as UTF-8 with \\n line ends, making the folder; the same text gives the same bytes anywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
