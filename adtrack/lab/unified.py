"""One model for all classes: what it loses against one model for each class, and two diagnostics.

The detector of all classes is never told an image's class. The setting "model-unified" uses the class to choose the
threshold; "absolute-unified" has one threshold and uses it nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adtrack.config import DetectorSpec, plain
from adtrack.detectors import detector_class
from adtrack.detectors.contract import Detector
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.calibrating import calibrate
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.measuring import measure_all, score_set
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.evaluation.workbench import Workbench
from adtrack.features.feature_set import pooled
from adtrack.lab.cell import Cell, CellOutcome, metric_name
from adtrack.lab.cells import Cells
from adtrack.lab.regimes import model_cell
from adtrack.lab.setup import Setup
from adtrack.threshold_spec import ThresholdSpec

SETTINGS = ("per class", "model-unified", "absolute-unified")
VAL, TEST = "val_clean", "test_clean"


@dataclass(frozen=True)
class UnifiedScores:
    """One setting with one method: the Test-clean scores of every class at the threshold that the setting allows, and
    their pixel metrics."""

    method: str
    setting: str
    samples: Mapping[str, Sample]
    pixel: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Shortcut:
    """How far the model of all classes mixes them up, a fault that is known as the identical shortcut.

    ``alarms[a, b]`` is the share of class a's normal Test images that are anomalous at class b's threshold.
    ``foreign[a]`` is the share of class a's Test patches that resemble an image of another class most; it is NaN where
    the method does not remember single images.
    """

    method: str
    classes: tuple[str, ...]
    alarms: np.ndarray
    foreign: np.ndarray


def measure_unified(cells: Cells, setup: Setup) -> tuple[list[UnifiedScores], list[Shortcut]]:
    """All settings with all methods, and the diagnostics of each method's model of all classes."""
    benches = {name: setup.bench(name) for name in setup.classes}
    settings, shortcuts = [], []
    for spec in setup.detectors:
        own = {name: model_cell(cells, bench, spec, "clean") for name, bench in benches.items()}
        pool = pooled_cell(cells, list(benches.values()), spec)
        shared = dict.fromkeys(setup.classes, pool)
        settings += [
            _setting(spec, SETTINGS[0], own, {name: own[name].judged(name, (VAL,), TEST) for name in own}),
            _setting(spec, SETTINGS[1], shared, model_unified(pool, setup.classes)),
            _setting(spec, SETTINGS[2], shared, absolute_unified(pool, setup.classes)),
        ]
        shortcuts.append(shortcut(spec.method, pool, setup.classes))
    return settings, shortcuts


def _setting(
    spec: DetectorSpec, setting: str, cells: Mapping[str, Cell], samples: Mapping[str, Sample]
) -> UnifiedScores:
    return UnifiedScores(spec.method, setting, samples, {name: cell.pixel(name, TEST) for name, cell in cells.items()})


def pooled_cell(cells: Cells, benches: Sequence[Workbench], spec: DetectorSpec) -> Cell:
    """The model fitted to the Train-clean of all classes, with its scores of each class's Val-clean and Test-clean."""

    def compute() -> CellOutcome:
        train = [bench.training_set(spec) for bench in benches]
        together = pooled([one.features for one in train])
        originals, network = sum(one.undrawn for one in train), train[0].network
        training = TrainingSet(together, spec.inputs, originals=originals, network=network)
        detector = detector_class(spec.method).fit(training, spec).detector
        evaluations = [found for bench in benches for found in _evaluate(bench, detector)]
        numbers = {"cost/bank_rows": float(detector.rows), "cost/bank_mb": detector.megabytes}
        owners = np.repeat(np.arange(len(train)), list(map(len, train)))
        shares = foreign_shares(benches, detector, owners)
        if shares is not None:
            names = [metric_name("foreign", bench.opened.data.class_name) for bench in benches]
            numbers |= dict(zip(names, shares, strict=True))
        return CellOutcome(evaluations, numbers)

    classes = ", ".join(bench.opened.data.class_name for bench in benches)
    name = f"{spec.method} from the pooled train_clean of {classes}"
    what = {"method": spec.method, "detector": plain(spec), "train": "pooled train_clean", "sets": [VAL, TEST]}
    return cells.cell(name, benches, what, compute)


def _evaluate(bench: Workbench, detector: Detector[Any]) -> list[tuple[str, Evaluation]]:
    scored = {name: score_set(bench, detector, name) for name in (VAL, TEST)}
    calibration = calibrate(scored, ThresholdSpec(VAL))
    return [(bench.opened.data.class_name, each) for each in measure_all(bench, scored.values(), calibration)]


def model_unified(pool: Cell, classes: Sequence[str]) -> dict[str, Sample]:
    """The Test of each class at the threshold of its own Val."""
    return {name: pool.judged(name, (VAL,), TEST) for name in classes}


def absolute_unified(pool: Cell, classes: Sequence[str]) -> dict[str, Sample]:
    """The Test of each class at one threshold, which the Val of all classes together gives."""
    val = [pool.scores(name, VAL) for name in classes]
    threshold = f1_threshold(
        np.concatenate([found.scores for found in val]), np.concatenate([found.labels for found in val])
    )
    return {name: pool.scores(name, TEST).at(threshold) for name in classes}


def shortcut(method: str, pool: Cell, classes: Sequence[str]) -> Shortcut:
    """The diagnostics of the model of all classes."""
    thresholds = [pool.scores(name, VAL).threshold for name in classes]
    normal = [pool.scores(name, TEST) for name in classes]
    alarms = np.array(
        [[float((found.scores[found.labels == 0] >= one).mean()) for one in thresholds] for found in normal]
    )
    foreign = np.array([pool.metrics.get(metric_name("foreign", name), np.nan) for name in classes])
    return Shortcut(method, tuple(classes), alarms, foreign)


def foreign_shares(benches: Sequence[Workbench], detector: Detector[Any], owners: np.ndarray) -> list[float] | None:
    """The share of each class's Test patches that resemble an image of another class most.

    ``owners`` (images,) holds, for each Train image of all classes, the place of its class in ``benches``. None: the
    method does not remember single images.
    """
    shares = []
    for place, bench in enumerate(benches):
        features = bench.seen_by(detector.spec).features(TEST)
        foreign = []
        for outputs in TrainingSet(features, detector.spec.inputs).images():
            nearest = detector.nearest_images(outputs)
            if nearest is None:
                return None
            foreign.append((owners[nearest] != place).mean())
        shares.append(float(np.mean(foreign)))
    return shares
