"""A detector ready for use: image in, score, label and anomaly map out; on disk a folder without pickle."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ..config import ImageSpec, canonical, from_json, plain
from ..data.decoding import MAX_PIXELS
from ..data.loading import decode, view
from ..data.reading import STORED, Reading
from ..errors import UserError
from ..features.backbone import Backbone
from ..features.weights import Trunk, cached_trunk
from . import DETECTORS, detector_class
from .contract import Detector
from .maps import anomaly_map
from .seal import FILE as MANIFEST
from .seal import check_seal, seal

FORMAT = 3  # 2 didn't say how files are read, which was as they are stored
SCORING = 2  # since this format the same bank scores the same; 1 had patches without zeros around the border


@dataclass(frozen=True)
class Judgement:
    """What is said of one image; ``anomalous`` means score ≥ threshold."""

    score: float
    threshold: float
    anomalous: bool
    patches: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """What a Val set settled: the threshold on image scores, and the patch distances at both ends of the colours."""

    threshold: float
    colour_low: float
    colour_high: float


class Scorer:
    """Backbone, detector and calibration together."""

    def __init__(
        self,
        backbone: Backbone,
        detector: Detector[Any],
        image: ImageSpec,
        calibration: Calibration,
        facts: Mapping[str, str],
        reading: Reading = Reading(),  # noqa: B008, it is frozen
    ) -> None:
        self.backbone = backbone
        self.detector = detector
        self.image = image.normalised_for(backbone.normalisation)
        self.calibration = calibration
        self.facts = dict(facts)
        self.reading = reading

    def read(self, source: Path | bytes | BinaryIO, name: str = "", most: int = MAX_PIXELS) -> np.ndarray:
        """An image file of at most so many pixels as uint8 (H, W, 3), read as the images were that the detector was
        made of."""
        return decode(source, name, self.reading, most)

    def judge(self, image: np.ndarray) -> Judgement:
        """Score one image uint8 (H, W, 3)."""
        return self.judged(self.outputs(image))

    def outputs(self, image: np.ndarray) -> dict[str, Tensor]:
        """What the network makes of one image uint8 (H, W, 3): the first half of ``judge``, for several images at
        once."""
        return self.backbone(view(image, self.image)[None])

    def judged(self, outputs: Mapping[str, Tensor]) -> Judgement:
        """The second half of ``judge``."""
        scores = self.detector.score(outputs)
        score, threshold = float(scores.image[0]), self.calibration.threshold
        return Judgement(score, threshold, score >= threshold, scores.patches[0])

    def map(self, judgement: Judgement, height: int, width: int) -> np.ndarray:
        """The anomaly map of a judged image of this size: float32 (height, width), NaN outside the crop."""
        return anomaly_map(judgement.patches, self.detector.grid, self.image, height, width)

    def save(self, folder: Path, *, with_trunk: bool) -> None:
        """Write everything into ``folder``; without its trunk the model names it by SHA-256 only.

        The manifest lists whatever lies in the folder by then.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.detector.save(folder)
        trunk = self.backbone.trunk
        text = {
            "format": FORMAT,
            "method": self.detector.spec.method,
            "image": plain(self.image),
            "calibration": asdict(self.calibration),
            "trunk": {"network": trunk.network, "sha256": trunk.sha256, "origin": trunk.origin},
            "facts": self.facts,
            "reading": asdict(self.reading),
            "sealed": True,  # there is a manifest
        }
        (folder / "scorer.json").write_text(canonical(text), encoding="utf-8")
        if with_trunk:
            trunk.save(folder / "trunk.safetensors")
        seal(folder)

    @classmethod
    def load(cls, folder: Path, device: torch.device, fetch: Callable[[str, str], str]) -> "Scorer":
        """Read what ``save`` wrote. A trunk that is neither in the folder nor in the cache is asked of
        ``fetch(run id, path)``, which gives the file that the run keeps there. UserError: a file is damaged."""
        sealed = check_seal(folder)
        text = read_scorer(folder)
        if text.get("sealed") and not sealed:
            raise UserError(f"a model must have the {MANIFEST} that it was saved with, but {folder} has none.")
        file = _trunk_file(folder, text, fetch)
        trunk = Trunk.load(file, text["trunk"]["network"], text["trunk"]["sha256"], text["trunk"]["origin"])
        detector = detector_class(text["method"]).load(folder, device)
        backbone = Backbone(trunk, detector.spec.inputs, device)
        image, calibration = ImageSpec.from_plain(text["image"]), Calibration(**text["calibration"])
        return cls(backbone, detector, image, calibration, text["facts"], _reading(text))


def _reading(text: dict) -> Reading:
    return STORED if text["format"] == SCORING else Reading(**text["reading"])


def _trunk_file(folder: Path, text: dict, fetch: Callable[[str, str], str]) -> Path:
    inside = folder / "trunk.safetensors"
    cached = cached_trunk(text["trunk"]["sha256"])
    for file in (inside, cached):
        if file.is_file():
            return file
    try:
        return Path(fetch(text["facts"]["trunk_run"], f"trunk/{cached.name}"))
    except Exception as error:  # no such fact, no such run, no such file, no network
        raise UserError(
            f"a trial's model needs its study's trunk, but {cached.stem[:12]}… is neither in the cache nor on its run.",
            "a registered model holds its trunk and needs neither.",
        ) from error


def read_scorer(folder: Path) -> dict:
    """The checked content of ``scorer.json``: what a model says of itself before its tensors are read."""
    file = Path(folder) / "scorer.json"
    try:
        text = from_json(file.read_text(encoding="utf-8"))
        version, method = text["format"], text["method"]
        ImageSpec.from_plain(text["image"])
        Calibration(**text["calibration"])
        if version == FORMAT:
            _reading(text)
        if not all(isinstance(value, float) and math.isfinite(value) for value in text["calibration"].values()):
            raise ValueError("its calibration is not of finite numbers")
        words = [method, *(text["trunk"][name] for name in ("network", "sha256", "origin"))]
        complete = all(isinstance(word, str) for word in words) and isinstance(text["facts"], dict)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"an adtrack model must have a readable scorer.json, but {folder} has none ({error})."
        ) from error
    if version not in (SCORING, FORMAT) or not complete or method not in DETECTORS:
        raise UserError(
            f"an adtrack model must have format {FORMAT} and a known method, but {folder} has {version!r}, {method!r}.",
            "it comes from an older or a newer adtrack: build the bank anew, or use that one.",
        )
    return text
