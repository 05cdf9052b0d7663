"""A model's logged scores, computed again from the images they were computed from."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from adtrack.data.classes import ImageRecord
from adtrack.data.demo import data_root
from adtrack.data.loading import decode
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.tracking.scored_runs import ScoredRun, data_place, image_contents, set_scores

IMAGES = 8  # as many are scored again
SETS = ("val_clean", "test_clean")  # the first of them that there is


def score_again(scorer: Scorer, run: ScoredRun, data: str | None) -> tuple[int, float]:
    """How many images were scored again, and the largest deviation from their logged scores, relative to these.

    Images count only if their files are, byte for byte, what they were; ``data`` says where they lie if not where the
    run found them. UserError: it can't be checked.
    """
    name = next((name for name in SETS if name in run.places), None)
    if name is None:
        raise UserError(f"a model can be checked against scores of {' or '.join(SETS)}, but its run has none.")
    logged, threshold = set_scores(run, name), scorer.calibration.threshold
    if threshold != logged.sample.threshold:
        raise UserError(
            f"a model must have the threshold it was measured with, but it has {threshold:g} and {name} was judged at "
            f"{logged.sample.threshold:g}."
        )
    root = data_root(data or data_place(run.places[name]))
    contents = image_contents(run.places[name], name)
    chosen = dict(itertools.islice(_unchanged(root, logged.paths, contents), IMAGES))
    if not chosen:
        raise UserError(
            f"a model's scores are checked with images as they were scored, but none of {len(logged.paths)} of "
            f"{name} lies so in {root.absolute()}.",
            "--data says where they are now.",
        )
    scores = dict(zip(logged.paths, map(float, logged.sample.scores), strict=True))
    deviations = (_deviation(scorer, path, encoded, scores[path]) for path, encoded in chosen.items())
    return len(chosen), max(deviations)


def _deviation(scorer: Scorer, path: str, encoded: bytes, logged: float) -> float:
    return abs(scorer.judge(decode(encoded, path)).score - logged) / max(abs(logged), 1e-12)


def _unchanged(root: Path, paths: tuple[str, ...], contents: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of the images that are still there; in an order that mixes good and anomalous ones."""
    for path in sorted(paths, key=lambda path: hashlib.sha256(path.encode()).digest()):
        ImageRecord(path, 0, "")  # refuses a path that leads out of the root
        try:
            encoded = (root / path).read_bytes() if (root / path).is_file() else b""
        except OSError:
            continue
        if hashlib.sha256(encoded).hexdigest() == contents.get(path):
            yield path, encoded
