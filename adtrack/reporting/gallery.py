"""Scored images as one HTML page, written image by image: it asks for no other file, and memory does not grow."""

import base64
import hashlib
import html
import io
import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from adtrack.evaluation.pictures.sheets import fit
from adtrack.reporting.gallery_page import BODY, SCRIPT, STYLE

SIDE = 128  # pixels of a small picture: about 10 kB an image in the page


@dataclass(frozen=True)
class ScoredImage:
    """An image uint8 (H, W, 3), its overlay of the same size, and where the page finds both in full, if anywhere."""

    name: str
    score: float
    anomalous: bool
    image: np.ndarray
    overlay: np.ndarray
    image_address: str = ""
    overlay_address: str = ""


class Gallery:
    """A page that shows, sorted by score, the images added so far: also while it grows, and if it is never closed.

    It holds small pictures; enlarged ones are read from their files where those are still there.
    """

    def __init__(self, path: Path, model: str, threshold: float, total: int) -> None:
        """``total`` is how many images will be added if nothing comes between. OSError: not writable."""
        self._stream = path.open("w", encoding="utf-8", newline="\n")
        facts = {"model": model, "threshold": threshold, "total": total}
        self._write(_head(f"Scores of {total:,} images") + _data(facts, 'id="facts"'))

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write("</body>\n</html>\n")
        self._stream.close()

    def add(self, scored: ScoredImage) -> None:
        """Show an image."""
        height, width = scored.image.shape[:2]
        item = {
            "name": scored.name,
            "score": scored.score,
            "anomalous": scored.anomalous,
            "width": width,
            "height": height,
            "image": scored.image_address,
            "overlay": scored.overlay_address,
            "pair": _pair(scored.image, scored.overlay),
        }
        self._write(_data(item, 'class="item"'))

    def add_failure(self, name: str, error: str) -> None:
        """Show that an image could not be scored, and why."""
        self._write(_data({"name": name, "error": error}, 'class="item"'))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()  # what is scored can be looked at, however the rest goes


def _head(title: str) -> str:
    # Nothing but this style and this script counts, so that no name of a file can become either; pictures come from
    # the page itself and from files beside it.
    policy = f"default-src 'none'; img-src data: file: 'self'; script-src {_digest(SCRIPT)}; style-src {_digest(STYLE)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n<script>{SCRIPT}</script>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n{BODY}"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(values: dict[str, object], attribute: str) -> str:
    """A block of JSON that no text can end: ``<`` is written as an escape."""
    text = json.dumps(values).replace("<", "\\u003c")
    return f'<script type="application/json" {attribute}>{text}</script>\n'


def _pair(image: np.ndarray, overlay: np.ndarray) -> str:
    """Image and overlay side by side, small, as a JPEG in base64."""
    stream = io.BytesIO()
    small = np.concatenate([fit(image, SIDE), fit(overlay, SIDE)], axis=1)
    Image.fromarray(small).save(stream, format="JPEG", quality=80)
    return base64.b64encode(stream.getvalue()).decode()
