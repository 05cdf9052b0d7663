"""Photos that a user names by files and folders, scored one by one: what cannot be read is named and left out."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from adtrack.data.decoding import read_bytes
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.features.threads import side_by_side
from adtrack.naming import visible
from adtrack.progress import track


@dataclass(frozen=True)
class Photo:
    """A photo with the SHA-256 of its file and its score, or with the ``error`` for which it has none."""

    path: str
    sha256: str = ""
    score: float = float("nan")
    error: str = ""


_Seen = tuple[str, dict[str, Tensor]]  # the digest of a file and what the detector gets of its image


def score_photos(scorer: Scorer, paths: Sequence[Path]) -> Iterator[Photo]:
    """The photos in their order. Some are read while the detector scores the one before."""
    # A GPU computes one image after the other, and several threads must not change cuDNN's settings at the same time.
    workers = 1 if scorer.backbone.device.type == "cuda" else None
    with closing(side_by_side(partial(_seen, scorer), paths, workers)) as seen:
        for path, one in zip(paths, track(seen, "Scoring photos", len(paths)), strict=True):
            name = visible(str(path))
            if isinstance(one, UserError):
                yield Photo(name, error=str(one))
            else:
                yield Photo(name, one[0], scorer.judge_outputs(one[1]).score)


def different(photos: Sequence[Photo]) -> tuple[list[Photo], list[str]]:
    """The photos that were scored, those of the same bytes once, and the paths of the further ones."""
    first: dict[str, Photo] = {}
    repeated = []
    for photo in photos:
        if not photo.error and first.setdefault(photo.sha256, photo) is not photo:
            repeated.append(photo.path)
    return list(first.values()), repeated


def scores_of(photos: Sequence[Photo]) -> np.ndarray:
    """Their scores, float64 (n,)."""
    return np.array([photo.score for photo in photos], dtype=np.float64)


def _seen(scorer: Scorer, path: Path) -> _Seen | UserError:
    name = visible(str(path))
    try:
        content = read_bytes(path, name)  # once, so that score and digest are of the same bytes
        return hashlib.sha256(content).hexdigest(), scorer.outputs(scorer.read(content, name))
    except UserError as error:
        return error
