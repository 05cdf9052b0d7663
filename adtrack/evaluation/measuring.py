"""A detector put to an image set of a class: its scores and anomaly maps, and what they are worth."""

from collections.abc import Iterable
from typing import Any

from adtrack.detectors import detector_class
from adtrack.detectors.calibration import Calibration
from adtrack.detectors.contract import Detector
from adtrack.detectors.score_cache import kept_scores
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.scoring import AnomalyMaps, image_scores, score_features
from adtrack.evaluation.evaluate import Evaluation, ScoredSet, evaluate
from adtrack.evaluation.opened_class import OpenedClass
from adtrack.evaluation.workbench import Workbench
from adtrack.features.passes import LARGE
from adtrack.features.threads import side_by_side


def score_set(bench: Workbench, detector: Detector[Any], name: str, *, patches: bool = True) -> ScoredSet:
    """Scores and anomaly maps of the image set of this name.

    Without ``patches`` only what the images' scores need is computed, and patches are scored when their map is read.
    """
    bench = bench.seen_by(detector.spec)
    features, what = bench.features(name), f"Scoring {name}"
    if patches:
        found = kept_scores(detector, features, lambda: score_features(detector, features, what))
    else:
        found = image_scores(detector, features, what)
    images, sizes = bench.opened.images(name), bench.opened.sizes(name)
    maps = AnomalyMaps(detector, features, bench.image, sizes, found.patches) if detector.has_maps else None
    return ScoredSet(images, found.image, maps, searched=found.patches is not None)


def measure(bench: Workbench, scored: ScoredSet, calibration: Calibration, *, pixels: bool = True) -> Evaluation:
    """The metrics of a scored set at the calibrated threshold; those of pixels, for which every map is computed, only
    if ``pixels`` are asked for."""
    masks = bench.opened.masks(scored.images.name) if pixels else None
    return evaluate(scored, masks, bench.image, calibration.threshold)


def measure_all(
    bench: Workbench, scored: Iterable[ScoredSet], calibration: Calibration, *, pixels: bool = True
) -> tuple[Evaluation, ...]:
    """The metrics of several sets. Two are measured beside each other, but not where photos are so large that the maps
    of two would fill the memory.

    Where ``scored`` scores a set when it is asked for it, that happens while sets before are measured.
    """
    largest = max(height * width for height, width in bench.opened.checked.sizes.values())
    at_once = 1 if largest > LARGE else 2
    return tuple(side_by_side(lambda one: measure(bench, one, calibration, pixels=pixels), scored, at_once))


def measure_sets(
    bench: Workbench, scorer: Scorer, names: Iterable[str], *, patches: bool = True
) -> tuple[Evaluation, ...]:
    """The metrics of a finished scorer on the image sets of these names. ``patches`` is that of ``score_set``."""
    sets = (score_set(bench, scorer.detector, name, patches=patches) for name in names)
    return measure_all(bench, sets, scorer.calibration)


def no_pixel_metrics(opened: OpenedClass, method: str) -> str:
    """Why the method has no pixel metrics on a class; "" if it has some, or if the class has no anomalies either."""
    if not opened.splits.has_anomalies:
        return ""
    kind = detector_class(method)
    return opened.splits.unmarked if kind.has_maps else f"{kind.name} scores whole images only"
