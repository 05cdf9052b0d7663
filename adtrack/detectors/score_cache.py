"""The scores of image sets on disk: a model that is measured on a set once more is not asked again."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from .. import __version__
from ..cache import cache_folder
from ..config import digest
from ..features.feature_set import FeatureSet
from ..features.tensor_file import read_tensors, write_tensors
from .contract import Detector, Scores

ROOM = "scores"  # of the cache


def kept_scores(detector: Detector[Any], features: FeatureSet, compute: Callable[[], Scores]) -> Scores:
    """The scores of an image set that ``compute`` gives, or has given before for an equal detector and equal images."""
    key = _key(detector, features)
    file = cache_folder(ROOM, f"{key}.safetensors")
    held = read_tensors(file, f"The cache held the scores {key[:12]}… damaged; they are computed again.")
    if held is None:
        scores = compute()
        _keep(file, scores)
        return scores
    return Scores(held["image"].numpy(), held["patches"].numpy() if "patches" in held else None)


def _keep(file: Path, scores: Scores) -> None:
    held = {"image": scores.image} | ({} if scores.patches is None else {"patches": scores.patches})
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        full = f"The cache is full: the scores {file.stem[:12]}… are not kept."
        write_tensors(file, {name: torch.from_numpy(part).contiguous() for name, part in held.items()}, full)


def _key(detector: Detector[Any], features: FeatureSet) -> str:
    """A name for all that the scores depend on: what the detector has learned, its settings, the images as its network
    sees them, and this version's way to compute scores."""
    learned = hashlib.sha256()
    for name, tensor in sorted(detector.state().items()):
        learned.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        learned.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    about = {"method": detector.spec.method, "spec": detector.spec, "learned": learned.hexdigest()}
    return digest({**about, "features": features.key, "adtrack": __version__})
