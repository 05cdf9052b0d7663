"""A fitted model in Python: image in, score, label and anomaly map out."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adtrack.config import DetectorSpec
from adtrack.detectors.scorer import DESCRIPTION, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.adapting import adapted
from adtrack.verbs.image_files import find_photos


@dataclass(frozen=True, eq=False)
class Result:
    """What a model says of one image.

    ``label`` is 1 for an anomalous image, whose ``score`` is at or above the ``threshold``, and 0 for a normal one.
    ``map`` is the anomaly map, float32 (H, W) at the image's size, NaN outside the view's crop; None if the method
    scores whole images only.
    """

    score: float
    threshold: float
    label: int
    map: np.ndarray | None


class Model:
    """A model that scores images; ``adtrack.fit``, ``adtrack.load`` and ``Study.model`` make one."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def __repr__(self) -> str:
        spec, network = self.scorer.detector.spec, self.scorer.backbone.trunk.network
        return f"<adtrack model: {spec.method} {spec.title}, {network}, threshold {self.threshold:.4g}>"

    @property
    def method(self) -> str:
        """``patchcore``, ``padim``, …"""
        spec: DetectorSpec = self.scorer.detector.spec
        return spec.method

    @property
    def threshold(self) -> float:
        """The score from which on an image is called anomalous."""
        return self.scorer.calibration.threshold

    @property
    def facts(self) -> dict[str, str]:
        """Where the model comes from: class, seed, digest of its images, how its threshold was found."""
        return dict(self.scorer.facts)

    def score(self, image: str | Path | np.ndarray) -> Result:
        """Score a file, or pixels: uint8 (H, W, 3) in RGB order, or (H, W) in grey.

        UserError: the file is no image that adtrack reads, or the pixels have another shape or type.
        """
        pixels = self._pixels(image)
        judged = self.scorer.judge(pixels)
        found = self.scorer.map(judged, *pixels.shape[:2])
        return Result(judged.score, judged.threshold, int(judged.anomalous), found)

    def _pixels(self, image: str | Path | np.ndarray) -> np.ndarray:
        if isinstance(image, str | Path):
            return self.scorer.read(Path(image), str(image))
        pixels = np.asarray(image)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise UserError(
                f"pixels must be uint8 (H, W, 3) or (H, W), but got {pixels.dtype} {np.asarray(image).shape}.",
                "a file's name is read as the images were that the model was made of.",
            )
        return pixels

    def adapt(self, photos: str | Path | Sequence[str | Path | np.ndarray]) -> "Model":
        """This model with its threshold moved to a new light or camera by photos of parts as they come, without labels.

        ``photos`` are all images below a folder, or a list of files and of pixels as ``score`` takes them: 16 or more,
        nearly all of good parts. Those that are the same to the bit count once. ``facts["adapted"]`` of the new model
        says how its threshold went.

        UserError: a photo cannot be read, the photos do not tell where the threshold lies, or the model is from a
        version that kept no scores of good images.
        """
        good = self.scorer.calibration.good
        if good is None:
            raise UserError(
                "a model must have the scores of Val's good images to be adapted, but this one is from a version that "
                "kept none.",
                "adtrack adapt takes them from its run; a model that is built anew keeps them.",
            )
        named = find_photos([Path(photos).expanduser()]) if isinstance(photos, str | Path) else photos
        scores: dict[bytes, float] = {}
        for pixels in map(self._pixels, named):
            content = hashlib.sha256(np.array(pixels.shape).tobytes() + pixels.tobytes()).digest()
            scores.setdefault(content, self.scorer.judge(pixels).score)
        return Model(adapted(self.scorer, good, [*scores.values()], repr(self))[0])

    def save(self, folder: str | Path) -> Path:
        """Write the model with its network into ``folder``, which ``adtrack.load`` and ``adtrack score --model`` read.

        A model that is there already gives way. UserError: the folder holds anything else.
        """
        target = Path(folder).expanduser().absolute()
        if target.exists() and (not target.is_dir() or not _is_model_or_empty(target)):
            raise UserError(
                f"a model must be saved to a new or empty folder, or to that of a model, but {target} holds something "
                "else."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        # Written beside it and renamed: a folder never holds half a model.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            self.scorer.save(Path(scratch) / "model", with_trunk=True)
            if target.exists():
                shutil.move(target, Path(scratch) / "before")
            (Path(scratch) / "model").rename(target)
        return target


def _is_model_or_empty(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file() or not any(folder.iterdir())
