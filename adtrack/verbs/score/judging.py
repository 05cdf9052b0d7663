"""Images are read, scored and drawn, by this process or by others that each hold the model."""

import contextlib
import io
import platform
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from PIL.ImageFile import ImageFile
from torch import Tensor

from adtrack.data.decoding import FORMATS, UPRIGHT, file_orientation, is_deep, orientation_of
from adtrack.data.reading import FULL, Reading
from adtrack.detectors.scorer import Judgement, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.pictures.heatmaps import judged_overlay
from adtrack.evaluation.pictures.png import png_bytes
from adtrack.features.threads import side_by_side, workers_on
from adtrack.naming import visible
from adtrack.reporting.gallery import SmallPicture
from adtrack.scale.surroundings import Surroundings
from adtrack.tracking.models import load_model
from adtrack.tracking.store import reach_store
from adtrack.verbs.image_files import PhotoFile
from adtrack.verbs.score.asked import AskedPictures


@dataclass(frozen=True)
class Drawn:
    """The pictures of an image: the PNG of its overlay, None from a model without heatmaps, and a small one for the
    page. ``in_browsers``: they show the image's own file as it was scored."""

    overlay: bytes | None
    small: SmallPicture
    in_browsers: bool


@dataclass(frozen=True)
class Scored:
    """What became of a photo: its score, or the ``error`` for which it has none; its pictures if they were asked for.

    ``as_stored``: a viewer turns the image, but it was scored as it is stored, as the model's own images were read so.
    """

    photo: PhotoFile
    score: float = float("nan")
    anomalous: bool = False
    error: str = ""
    as_stored: bool = False
    drawn: Drawn | None = None


@dataclass(frozen=True)
class _ReadPhoto:
    """A photo, the bytes of its file, its image uint8 (H, W, 3), and what the detector gets of it."""

    photo: PhotoFile
    data: bytes
    image: np.ndarray
    outputs: dict[str, Tensor]


_Judged = tuple[_ReadPhoto, Judgement] | Scored


class Judge:
    """Scores photos with a model that it holds. ``machine`` is the name of this one if it is one of a cluster."""

    def __init__(self, scorer: Scorer, pictures: AskedPictures, machine: str = "") -> None:
        self.scorer, self.pictures, self.machine = scorer, pictures, machine

    def __call__(self, photos: Iterable[PhotoFile]) -> Generator[Scored, None, None]:
        """The photos one after the other. While one is drawn, the next is judged, and further ones are read."""
        with (
            contextlib.closing(side_by_side(self._seen, photos, workers_on(self.scorer.backbone.device))) as seen,
            contextlib.closing(side_by_side(self._scored, self._judged(seen), 1)) as scored,
        ):
            yield from scored

    def _seen(self, photo: PhotoFile) -> _ReadPhoto | Scored:
        """This runs while the detector scores the image before."""
        try:
            data = photo.read(self.machine)
            image = self.scorer.read(data, visible(photo.path))
        except UserError as error:
            return Scored(photo, error=str(error))
        return _ReadPhoto(photo, data, image, self.scorer.outputs(image))

    def _judged(self, seen: Iterable[_ReadPhoto | Scored]) -> Iterator[_Judged]:
        with contextlib.suppress(KeyboardInterrupt):  # what is judged by then is drawn, and the rest is left
            for one in seen:
                yield one if isinstance(one, Scored) else (one, self.scorer.judge_outputs(one.outputs))

    def _scored(self, one: _Judged) -> Scored:
        if isinstance(one, Scored):
            return one
        seen, judged = one
        as_stored = not self.scorer.reading.upright and file_orientation(io.BytesIO(seen.data)) != UPRIGHT
        drawn = self._drawn(seen, judged) if self.pictures.at_once(judged.anomalous) else None
        return Scored(seen.photo, judged.score, judged.anomalous, "", as_stored, drawn)

    def _drawn(self, seen: _ReadPhoto, judged: Judgement) -> Drawn:
        overlay = judged_overlay(self.scorer, judged, seen.image)
        png = None if overlay is None else png_bytes(overlay)
        return Drawn(png, SmallPicture.of(seen.image, overlay), _in_browsers(seen.data, self.scorer.reading))


@dataclass(frozen=True)
class MakeJudge:
    """Makes the judge of another process, which loads the model whose manifest has this digest."""

    model: str
    digest: str
    device: str
    pictures: AskedPictures
    surroundings: Surroundings
    on_cluster: bool

    def __call__(self, threads: int) -> Judge:
        """UserError: the model cannot be loaded there, or is another one."""
        torch.set_num_threads(min(threads, torch.get_num_threads()))
        self.surroundings.take_on()
        reach_store()
        loaded, machine = load_model(self.model, torch.device(self.device)), platform.node()
        if loaded.digest != self.digest:
            raise UserError(
                f"every machine must load the same model, but {self.model} has other files on {machine}.",
                "name a registered version, such as models:/adtrack-zipper@champion, or share the model's folder.",
            )
        return Judge(loaded.scorer, self.pictures, machine if self.on_cluster else "")


def lost(photo: PhotoFile) -> Scored:
    """What is said of a photo that ended each process that was to score it."""
    return Scored(
        photo,
        error=f"image must leave the process alive that scores it, but {visible(photo.path)} ended two of them; the "
        "system may have killed them for memory.",
    )


def _in_browsers(data: bytes, reading: Reading) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _as_scored(image, reading)
    except Exception:  # Pillow raises nearly anything on a hostile header
        return False


def _as_scored(image: ImageFile, reading: Reading) -> bool:
    """Whether browsers show an image as it is scored. They know no TIFF and no 16-bit depths, and they turn JPEGs."""
    if image.format == "TIFF" or (is_deep(image) and reading.bits not in (None, FULL)):
        return False
    if image.format in ("JPEG", "MPO") and reading.upright:
        return "exif" in image.info or orientation_of(image) == UPRIGHT  # browsers look for the tag nowhere else
    return "exif" not in image.info or orientation_of(image) == UPRIGHT
