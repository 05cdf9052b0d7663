"""The pictures in an output folder: overlays as PNG files, and the page that shows them."""

import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from adtrack.naming import visible
from adtrack.reporting.gallery import Gallery, ScoredImage, shown
from adtrack.tracking.models import LoadedModel
from adtrack.verbs.image_files import PhotoFile
from adtrack.verbs.score.judging import Scored


class Album(Gallery):
    """The page ``gallery.html`` of a folder, with the overlays beside it."""

    def __init__(self, out: Path, model: LoadedModel, total: int, only: str, kept: Collection[str]) -> None:
        """``only`` are words for the images that it shows if not all; those with the ``kept`` keys stay in it."""
        threshold = model.scorer.calibration.threshold
        super().__init__(page_of(out), model.resolved, threshold, total, only=only, kept=kept)
        self.out = out

    def put(self, scored: Scored) -> None:
        """Write the pictures of a photo, if it has any, or why it has no score."""
        name, drawn = visible(scored.photo.path), scored.drawn
        if scored.error:
            self.add_failure(name, scored.error)
        if drawn is None:
            return
        if drawn.overlay is not None:
            file = self.out / scored.photo.place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(drawn.overlay)
        image = self._image_address(scored.photo) if drawn.in_browsers else ""
        overlay = "" if drawn.overlay is None else _overlay_address(scored.photo)
        key = scored.photo.key
        self.add(ScoredImage(name, scored.score, scored.anomalous, drawn.small, image, overlay, key))

    def _image_address(self, photo: PhotoFile) -> str:
        """The address of a photo for the page; "" if it lies elsewhere: the page asks nothing of the net."""
        if photo.remote:
            return ""
        try:
            return quote(os.fsencode(os.path.relpath(photo.path, self.out)))
        except ValueError:  # another drive has no relative path
            return ""


def page_of(out: Path) -> Path:
    """The page of an output folder."""
    return out / "gallery.html"


def pictured(out: Path, photos: Collection[PhotoFile], has_maps: bool) -> set[str]:
    """The keys of the photos whose pictures are in the output folder where this call would put them."""
    by_key = {photo.key: photo for photo in photos}
    there = set()
    for image in shown(page_of(out)):
        photo = by_key.get(image["key"])
        if photo is None or image.get("overlay") != (_overlay_address(photo) if has_maps else ""):
            continue
        if not has_maps or (out / photo.place).is_file():
            there.add(photo.key)
    return there


def _overlay_address(photo: PhotoFile) -> str:
    return quote(os.fsencode(photo.place))
