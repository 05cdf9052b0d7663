"""The logged scores of a model are checked by scoring some of the images again."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from adtrack.data.classes import ImageRecord
from adtrack.data.demo import data_root
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.tracking.scored_runs import ScoredRun, data_place, image_contents, set_scores

IMAGES = 8  # so many are scored again
SETS = ("val_clean", "test_clean")  # the first one that the run has is used


def score_again(scorer: Scorer, run: ScoredRun, data: str | None) -> tuple[int, float]:
    """The number of images that were scored again, and the largest relative deviation from their logged scores.

    Only images whose files are, byte for byte, what they were are scored. ``data`` says where they lie; None means
    where the run found them. UserError: the scores cannot be checked.
    """
    name = next((name for name in SETS if name in run.places), None)
    if name is None:
        raise UserError(f"a model can be checked against scores of {' or '.join(SETS)}, but its run has none.")
    logged = set_scores(run, name)
    check_threshold(scorer, logged.sample.threshold, name)
    root = place_of(run, name, data)
    contents = image_contents(run.places[name], name)
    chosen = dict(itertools.islice(_unchanged(root, logged.paths, contents), IMAGES))
    if not chosen:
        raise UserError(
            f"a model's scores are checked with images as they were scored, but none of {len(logged.paths)} of "
            f"{name} lies so in {root.absolute()}.",
            "--data says where they are now.",
        )
    scores = dict(zip(logged.paths, map(float, logged.sample.scores), strict=True))
    judged = ((scorer.judge(scorer.read(encoded, path)).score, scores[path]) for path, encoded in chosen.items())
    return len(chosen), max(deviation(score, before) for score, before in judged)


def check_threshold(scorer: Scorer, logged: float, name: str) -> None:
    """Refuse a model that has another threshold than the one at which the image set ``name`` was judged."""
    threshold = scorer.calibration.threshold
    if threshold != logged:
        raise UserError(
            f"a model must have the threshold it was measured with, but it has {threshold:g} and {name} was judged at "
            f"{logged:g}."
        )


def place_of(run: ScoredRun, name: str, data: str | None) -> Path:
    """The folder at which the paths of an image set start: ``data`` or, if it is None, where the run found it."""
    return data_root(data or data_place(run.places[name]), run.class_name)


def deviation(score: float, logged: float) -> float:
    """The relative deviation of a score from the logged one."""
    return abs(score - logged) / max(abs(logged), 1e-12)


def unchanged(root: Path, path: str, sha256: str | None) -> bytes | None:
    """The bytes of the file at ``path`` if they have this SHA-256, else None. UserError: the path leaves ``root``."""
    ImageRecord(path, 0, "")  # refuses such a path
    try:
        encoded = (root / path).read_bytes() if (root / path).is_file() else b""
    except OSError:
        return None
    return encoded if hashlib.sha256(encoded).hexdigest() == sha256 else None


def _unchanged(root: Path, paths: tuple[str, ...], contents: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of the images that have not changed, in an order that mixes good and anomalous ones."""
    for path in sorted(paths, key=lambda path: hashlib.sha256(path.encode()).digest()):
        encoded = unchanged(root, path, contents.get(path))
        if encoded is not None:
            yield path, encoded
