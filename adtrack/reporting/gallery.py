"""Scored images as one HTML page, written image by image: it asks for no other file, and memory does not grow."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from adtrack.evaluation.pictures.sheets import fit
from adtrack.reporting.jpeg import Pixels, jpeg_text
from adtrack.reporting.templating import render

SIDE = 128  # pixels of a small picture's longer side: with two of them an image takes about 10 kB of the page
_IMAGES = "<!-- images -->\n"  # where the template has a place for the images


@dataclass(frozen=True)
class ScoredImage:
    """An image uint8 (H, W, 3) and its overlay of the same size, None from a model without heatmaps.

    The addresses are where the page finds both in full; "" if nowhere.
    """

    name: str
    score: float
    anomalous: bool
    image: Pixels
    overlay: Pixels | None
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
        title = f"Scores of {total:,} image{'s' * (total != 1)}"
        start, self._end = render("gallery.html", title=title, facts=facts).split(_IMAGES)
        self._write(start)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(self._end)
        self._stream.close()

    def add(self, scored: ScoredImage) -> None:
        """Show an image."""
        height, width = scored.image.shape[:2]
        self._add(
            {
                "name": scored.name,
                "score": scored.score,
                "anomalous": scored.anomalous,
                "width": width,
                "height": height,
                "image": scored.image_address,
                "overlay": scored.overlay_address,
                "heatmap": scored.overlay is not None,
                "picture": _small(scored.image, scored.overlay),
            }
        )

    def add_failure(self, name: str, error: str) -> None:
        """Show that an image could not be scored, and why."""
        self._add({"name": name, "error": error})

    def _add(self, image: dict[str, object]) -> None:
        self._write(render("gallery_image.html", image=image))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()  # what is scored can be looked at, however the rest goes


def _small(image: Pixels, overlay: Pixels | None) -> str:
    """The image, with its overlay beside it if there is one, as a small JPEG in base64."""
    pictures = [fit(picture, SIDE) for picture in (image, overlay) if picture is not None]
    return jpeg_text(np.concatenate(pictures, axis=1), quality=80)
