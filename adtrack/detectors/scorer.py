"""A detector ready for use: image in, score, label and anomaly map out; on disk a folder without pickle."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
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
from .calibration import Calibration
from .contract import Detector
from .scoring import map_of
from .seal import FILE as MANIFEST
from .seal import check_seal, seal

DESCRIPTION = "scorer.json"
FORMAT = 3  # 2 didn't say how files are read, which was as they are stored
SCORING = 2  # since this format the same bank scores the same; 1 had patches without zeros around the border


@dataclass(frozen=True)
class Judgement:
    """What is said of one image; ``anomalous`` means score ≥ threshold.

    ``patches`` float32 (h, w) are the scores of its patches; None if the method scores whole images only.
    """

    score: float
    threshold: float
    anomalous: bool
    patches: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Scorer:
    """Backbone, detector and calibration together; ``facts`` are what the model says of where it comes from.

    ``image`` is the view that the detector gets, whatever more its class's view is given as.
    """

    backbone: Backbone
    detector: Detector[Any]
    image: ImageSpec
    calibration: Calibration
    facts: Mapping[str, str]
    reading: Reading = field(default_factory=Reading)

    def __post_init__(self) -> None:
        image = self.backbone.view(self.detector.spec.view(self.image))
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    def read(self, source: Path | bytes | BinaryIO, name: str = "", most: int = MAX_PIXELS) -> np.ndarray:
        """An image file of at most so many pixels as uint8 (H, W, 3), read as the images were that the detector was
        made of."""
        return decode(source, name, self.reading, most)

    def judge(self, image: np.ndarray) -> Judgement:
        """Judge one image uint8 (H, W, 3)."""
        return self.judge_outputs(self.outputs(image))

    def outputs(self, image: np.ndarray) -> dict[str, Tensor]:
        """What the detector gets of one image uint8 (H, W, 3): the first half of ``judge``, which several images may
        go through at once."""
        return self.backbone(view(image, self.image)[None])

    def judge_outputs(self, outputs: Mapping[str, Tensor]) -> Judgement:
        """The second half of ``judge``."""
        scores = self.detector.score(outputs)
        score, threshold = float(scores.image[0]), self.calibration.threshold
        patches = None if scores.patches is None else scores.patches[0]
        return Judgement(score, threshold, score >= threshold, patches)

    def map(self, judgement: Judgement, height: int, width: int) -> np.ndarray | None:
        """The anomaly map of a judged image of this size: float32 (height, width), NaN outside the crop; None if the
        method has no maps."""
        if judgement.patches is None:
            return None
        return map_of(self.detector, judgement.patches, self.image, height, width)

    def save(self, folder: Path, *, with_trunk: bool) -> None:
        """Write everything into ``folder``; without its trunk the model names it by SHA-256 only.

        The manifest lists whatever lies in the folder by then.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.detector.save(folder)
        trunk, good = self.backbone.trunk, self.calibration.good
        text = {
            "format": FORMAT,
            "method": self.detector.spec.method,
            "image": plain(self.image),
            "calibration": self.calibration.fields(),
            **({} if good is None else {"good": good.plain()}),
            "trunk": {
                "network": trunk.network,
                "sha256": trunk.sha256,
                "origin": trunk.origin,
                **({"licence": trunk.licence} if trunk.licence else {}),
            },
            "facts": dict(self.facts),
            "reading": asdict(self.reading),
            "sealed": True,  # there is a manifest
        }
        (folder / DESCRIPTION).write_text(canonical(text), encoding="utf-8")
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
        told = text["trunk"]
        names = told["network"], told["sha256"], told["origin"], told.get("licence", "")
        trunk = _trunk(file, _state(file), *names)
        detector = detector_class(text["method"]).load(folder, device)
        backbone = _backbone(trunk, tuple(detector.spec.inputs), device)
        image, calibration = ImageSpec.from_plain(text["image"]), _calibration(text)
        return cls(backbone, detector, image, calibration, text["facts"], _reading(text))


def _calibration(text: Mapping[str, Any]) -> Calibration:
    return Calibration.from_fields(text["calibration"], text.get("good"))


def _reading(text: Mapping[str, Any]) -> Reading:
    return STORED if text["format"] == SCORING else Reading(**text["reading"])


@lru_cache(maxsize=1)
def _trunk(file: Path, state: tuple[int, ...], network: str, sha256: str, origin: str, licence: str) -> Trunk:
    """The trunk in ``file``, read again only if the file has changed: the models of a study have one trunk, and to read
    and check it takes longer than all else in them."""
    return Trunk.load(file, network, sha256, origin, licence)


@lru_cache(maxsize=2)
def _backbone(trunk: Trunk, inputs: tuple[str, ...], device: torch.device) -> Backbone:
    """The network up to these inputs: to make it takes longer than to read a small bank."""
    return Backbone(trunk, inputs, device)


def _state(file: Path) -> tuple[int, ...]:
    """What changes with a file's content."""
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _trunk_file(folder: Path, text: Mapping[str, Any], fetch: Callable[[str, str], str]) -> Path:
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


def read_scorer(folder: Path) -> dict[str, Any]:
    """The checked content of ``scorer.json``: what a model says of itself before its tensors are read."""
    file = Path(folder) / DESCRIPTION
    try:
        text: dict[str, Any] = from_json(file.read_text(encoding="utf-8"))
        version, method = text["format"], text["method"]
        ImageSpec.from_plain(text["image"])
        calibration = _calibration(text)
        if version == FORMAT:
            _reading(text)
        trunk = text["trunk"]
        words = [method, *(trunk[name] for name in ("network", "sha256", "origin")), trunk.get("licence", "")]
        complete = all(isinstance(word, str) for word in words) and isinstance(text["facts"], dict)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"an adtrack model must have a readable {DESCRIPTION}, but {folder} has none ({error})."
        ) from error
    if version not in (SCORING, FORMAT) or not complete or method not in DETECTORS:
        raise UserError(
            f"an adtrack model must have format {FORMAT} and a known method, but {folder} has {version!r}, {method!r}.",
            "it comes from an older or a newer adtrack: build the bank anew, or use that one.",
        )
    if DETECTORS[method].has_maps != (calibration.colours is not None):
        raise UserError(
            f"an adtrack model must have colours if its method has anomaly maps, and none if not, but {folder} has "
            f"{method} {'with' if calibration.colours else 'without'} colours."
        )
    return text
