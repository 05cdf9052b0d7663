"""From a specification to a detector that is ready for use: fitted, calibrated, measured and timed."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from adtrack.config import DetectorSpec
from adtrack.data.imageset import VAL_SETS
from adtrack.detectors import detector_class
from adtrack.detectors.contract import Detector
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.calibrating import calibrate
from adtrack.evaluation.evaluate import Evaluation, ScoredSet
from adtrack.evaluation.measuring import measure_all, score_set
from adtrack.evaluation.opened_class import OpenedClass
from adtrack.evaluation.stopwatch import TIMES, milliseconds
from adtrack.evaluation.workbench import Workbench
from adtrack.threshold_spec import ThresholdSpec
from adtrack.training.loop import Epoch

Told = Callable[[Epoch], None]
_NO_FACTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class TimedFit:
    """A detector that is fitted but not calibrated, the seconds that fitting it takes without a cache, and its epochs,
    if it learns by gradient."""

    detector: Detector[Any]
    build_s: float
    epochs: tuple[Epoch, ...] = ()


@dataclass(frozen=True)
class BuiltModel:
    """A calibrated detector, how it did on the sets that it was measured on, and what it costs."""

    scorer: Scorer
    evaluations: tuple[Evaluation, ...]
    build_s: float
    score_ms: float
    epochs: tuple[Epoch, ...] = ()

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
    threshold: ThresholdSpec = ThresholdSpec(),  # noqa: B008 - frozen
    facts: Mapping[str, str] = _NO_FACTS,
    told: Told = lambda epoch: None,
) -> BuiltModel:
    """Fit a detector to ``train``, find its ``threshold`` and measure it on the sets named.

    ``facts`` are what the model shall say of itself besides where it and its threshold come from. ``told`` is called
    after every epoch of a training.
    """
    threshold = threshold.resolved(bench.opened.splits.has_anomalies)
    fitted = next(climb(bench, [spec], train, told))
    scored = {name: score_set(bench, fitted.detector, name) for name in dict.fromkeys((*threshold.sets, *evaluate_on))}
    return complete(bench, fitted, scored, evaluate_on, threshold=threshold, facts={"trained_on": train, **facts})


def climb(
    bench: Workbench, specs: Sequence[DetectorSpec], train: str = "train_clean", told: Told = lambda epoch: None
) -> Iterator[TimedFit]:
    """Fit a detector for one specification after the other; see ``Detector.climb``."""
    kind, training = detector_class(specs[0].method), replace(bench.training_set(specs[0], train), told=told)
    kind.prepare()
    seconds, started = 0.0, time.perf_counter()
    for fitted in kind.climb(training, specs):
        seconds += time.perf_counter() - started
        # What was read from the cache costs nothing now, but it did cost something: this is what building takes.
        yield TimedFit(fitted.detector, seconds + fitted.saved_seconds, fitted.epochs)
        started = time.perf_counter()


def complete(
    bench: Workbench,
    fitted: TimedFit,
    scored: Mapping[str, ScoredSet],
    evaluate_on: Sequence[str],
    *,
    threshold: ThresholdSpec,
    facts: Mapping[str, str],
    pixels: bool = True,
    timings: int = TIMES,
) -> BuiltModel:
    """A fitted detector, calibrated and measured on sets that it has ``scored``.

    The sets that give the ``threshold`` are among them. Metrics of pixels are measured if ``pixels`` are asked for.
    ``timings`` is how often an image is scored for the time that it takes.
    """
    calibration = calibrate(scored, threshold)
    how = threshold.resolved(bench.opened.splits.has_anomalies).facts()
    said = _origin(bench.opened) | how | dict(facts)
    scorer = Scorer(bench.backbone, fitted.detector, bench.image, calibration, said, bench.opened.checked.reading)
    evaluations = measure_all(bench, (scored[name] for name in evaluate_on), calibration, pixels=pixels)
    score_ms = milliseconds(scorer, bench.opened.images("val_clean"), timings)
    return BuiltModel(scorer, evaluations, fitted.build_s, score_ms, fitted.epochs)


def _origin(opened: OpenedClass) -> dict[str, str]:
    """What a model says of the class that it comes from."""
    data = opened.data
    return {"class": data.class_name, "seed": str(data.seed), "split_digest": opened.digest, **opened.fewer_images}
