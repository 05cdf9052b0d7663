"""From a specification to a detector that is ready for use: fitted, calibrated, measured and timed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from adtrack.config import GOOD_QUANTILE, DetectorSpec
from adtrack.data.imageset import VAL_SETS
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.calibrating import calibrate
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.measuring import measure, score_set
from adtrack.evaluation.opened_class import OpenedClass
from adtrack.evaluation.stopwatch import milliseconds
from adtrack.evaluation.workbench import Workbench

_NO_FACTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class BuiltModel:
    """A calibrated detector, how it did on the sets that it was measured on, and what it costs."""

    scorer: Scorer
    evaluations: tuple[Evaluation, ...]
    build_s: float
    score_ms: float

    @property
    def costs(self) -> dict[str, float]:
        """Rows, megabytes (10⁶ bytes), seconds to build and milliseconds to score an image."""
        detector = self.scorer.detector
        return {
            "bank_rows": float(detector.rows),
            "bank_mb": detector.megabytes,
            "build_s": self.build_s,
            "score_ms": self.score_ms,
        }


def build(
    bench: Workbench,
    spec: DetectorSpec,
    evaluate_on: Sequence[str] = VAL_SETS,
    *,
    train: str = "train_clean",
    calibrate_on: str = "val_clean",
    good_quantile: float = GOOD_QUANTILE,
    facts: Mapping[str, str] = _NO_FACTS,
) -> BuiltModel:
    """Fit a detector to ``train``, calibrate it on ``calibrate_on`` and measure it on the sets named.

    ``good_quantile`` counts only where no anomalies are labelled. ``facts`` are what the model shall say of itself
    besides where it comes from.
    """
    kind, training = detector_class(spec.method), TrainingSet(bench.features(train), spec.inputs)
    kind.prepare()
    started = time.perf_counter()
    fitted = kind.fit(training, spec)
    # What was read from the cache costs nothing now, but it did cost something: this is what building takes.
    build_s = time.perf_counter() - started + fitted.saved_seconds
    detector = fitted.detector
    scored = {name: score_set(bench, detector, name) for name in dict.fromkeys((calibrate_on, *evaluate_on))}
    calibration = calibrate(scored[calibrate_on], good_quantile)
    said = _origin(bench.opened, train, calibrate_on) | _threshold_facts(bench.opened, good_quantile) | dict(facts)
    scorer = Scorer(bench.backbone, detector, bench.image, calibration, said, bench.opened.checked.reading)
    evaluations = tuple(measure(bench, scored[name], calibration) for name in evaluate_on)
    return BuiltModel(scorer, evaluations, build_s, milliseconds(scorer, bench.opened.images("val_clean")))


def _origin(opened: OpenedClass, train: str, calibrate_on: str) -> dict[str, str]:
    """What a model says of the images that it comes from."""
    data = {"class": opened.data.class_name, "seed": str(opened.data.seed), "split_digest": opened.digest}
    return {**data, "trained_on": train, "calibrated_on": calibrate_on}


def _threshold_facts(opened: OpenedClass, good_quantile: float) -> dict[str, str]:
    """What a model says of how its threshold was found."""
    if opened.splits.has_anomalies:
        return {"threshold_from": "f1"}
    return {"threshold_from": "good_quantile", "good_quantile": str(good_quantile)}
