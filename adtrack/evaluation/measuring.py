"""A detector put to an image set of a class: its scores and anomaly maps, and what they are worth."""

from typing import Any

from adtrack.detectors import detector_class
from adtrack.detectors.calibration import Calibration
from adtrack.detectors.contract import Detector
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.scoring import anomaly_maps, score_features
from adtrack.evaluation.evaluate import Evaluation, ScoredSet, evaluate
from adtrack.evaluation.opened_class import OpenedClass
from adtrack.evaluation.workbench import Workbench


def score_set(bench: Workbench, detector: Detector[Any], name: str) -> ScoredSet:
    """Scores and anomaly maps of the image set of this name."""
    scores = score_features(detector, bench.features(name), f"Scoring {name}")
    maps = anomaly_maps(detector, scores, bench.image, bench.opened.sizes(name))
    return ScoredSet(bench.opened.images(name), scores, maps)


def measure(bench: Workbench, scored: ScoredSet, calibration: Calibration) -> Evaluation:
    """The metrics of a scored set at the calibrated threshold."""
    return evaluate(scored, bench.opened.masks(scored.images.name), bench.image, calibration.threshold)


def measure_set(bench: Workbench, scorer: Scorer, name: str) -> Evaluation:
    """The metrics of a finished scorer on the image set of this name."""
    return measure(bench, score_set(bench, scorer.detector, name), scorer.calibration)


def no_pixel_metrics(opened: OpenedClass, method: str) -> str:
    """Why the method has no pixel metrics on a class; "" if it has some, or if the class has no anomalies either."""
    if not opened.splits.has_anomalies:
        return ""
    kind = detector_class(method)
    return opened.splits.unmarked if kind.has_maps else f"{kind.name} scores whole images only"
