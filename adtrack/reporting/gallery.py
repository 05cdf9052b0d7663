"""Scored images as one HTML page, written image by image: it asks for no other file, and memory does not grow."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from adtrack.evaluation.pictures.sheets import fit
from adtrack.reporting.jpeg import Pixels, jpeg_text
from adtrack.reporting.templating import render

SIDE = 128  # pixels of a small picture's longer side: with two of them an image takes about 10 kB of the page
_IMAGES = "<!-- images -->\n"  # where the template has a place for the images


@dataclass(frozen=True)
class SmallPicture:
    """An image, with its overlay beside it if there is one, as a small JPEG in base64, and the image's own size."""

    jpeg: str
    height: int
    width: int
    heatmap: bool

    @classmethod
    def of(cls, image: Pixels, overlay: Pixels | None) -> Self:
        """That of an image uint8 (H, W, 3) and its overlay of the same size, None from a model without heatmaps."""
        pictures = [fit(picture, SIDE) for picture in (image, overlay) if picture is not None]
        small = jpeg_text(np.concatenate(pictures, axis=1), quality=80)
        return cls(small, image.shape[0], image.shape[1], overlay is not None)


@dataclass(frozen=True)
class ScoredImage:
    """An image with its score. The addresses are where the page finds image and overlay in full; "" if nowhere.

    By its ``key`` a later page knows the image again.
    """

    name: str
    score: float
    anomalous: bool
    small: SmallPicture
    image_address: str = ""
    overlay_address: str = ""
    key: str = ""


class Gallery:
    """A page that shows, sorted by score, the images added so far: also while it grows, and if it is never closed.

    It holds small pictures; enlarged ones are read from their files where those are still there.
    """

    def __init__(
        self, path: Path, model: str, threshold: float, total: int, *, only: str = "", kept: Collection[str] = ()
    ) -> None:
        """``total`` is how many images will be added if nothing comes between. If the page shows ``only`` some of them,
        these are words for which. Of the page that is there, the images with the ``kept`` keys stay. OSError: not
        writable."""
        facts = {"model": model, "threshold": threshold, "total": total, "only": only}
        title = f"Scores of {total:,} image{'s' * (total != 1)}"
        start, self._end = render("gallery.html", title=title, facts=facts).split(_IMAGES)
        self._stream = path.with_name(f"{path.name}.new").open("w", encoding="utf-8", newline="\n")
        with self._stream:
            self._write(start)
            for image in shown(path) if kept else ():
                if image["key"] in kept:
                    self._add(image)
        Path(self._stream.name).replace(path)  # a page that is cut off here would lose what it shows
        self._stream = path.open("a", encoding="utf-8", newline="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(self._end)
        self._stream.close()

    def add(self, scored: ScoredImage) -> None:
        """Show an image."""
        self._add(
            {
                "name": scored.name,
                "score": scored.score,
                "anomalous": scored.anomalous,
                "width": scored.small.width,
                "height": scored.small.height,
                "image": scored.image_address,
                "overlay": scored.overlay_address,
                "heatmap": scored.small.heatmap,
                "picture": scored.small.jpeg,
                "key": scored.key,
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


def shown(page: Path) -> Iterator[dict[str, Any]]:
    """The images with a key that a page holds, also one that was cut off; nothing if there is no page."""
    if not page.is_file():
        return
    before, after = render("gallery_image.html", image=0).rstrip("\n").split("0")  # an image is one line
    with page.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            text = line.rstrip("\n")
            if text.startswith(before) and text.endswith(after):
                try:
                    image = json.loads(text.removeprefix(before).removesuffix(after))
                except ValueError:
                    continue
                if isinstance(image, dict) and isinstance(image.get("key"), str):
                    yield image
