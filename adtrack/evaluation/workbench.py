"""What all banks of a class have in common: its images, their splits, the backbone and its features.

Building and judging a bank from the command line, in a trial, in an experiment and in a test is the same calls here.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adtrack.config import GOOD_QUANTILE, BackboneSpec, DataSpec, DetectorSpec, ImageSpec
from adtrack.data.checking import check_images
from adtrack.data.demo import data_root
from adtrack.data.imageset import VAL_SETS, ImageSet, image_set, parse_name
from adtrack.data.layouts import read_class
from adtrack.data.reading import Reading
from adtrack.data.remarks import all_remarks
from adtrack.data.splits import make_splits
from adtrack.detectors import detector_class
from adtrack.detectors.contract import Detector, Scores
from adtrack.detectors.maps import anomaly_map
from adtrack.detectors.scorer import Calibration, Scorer
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.evaluate import Evaluation, Scored, calibrate, evaluate
from adtrack.evaluation.pictures.of_evaluation import SIDE as DISPLAY_SIDE
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.features.backbone import Backbone, choose_device
from adtrack.features.feature_set import FeatureSet
from adtrack.features.store import FeatureStore
from adtrack.features.weights import load_trunk
from adtrack.progress import bar

_CHUNK_BYTES = 2**27  # of merged patch features in memory while a set is scored
_TIMED_IMAGES = 3
_TIMES = 3  # that each is scored: the fastest is what it takes, and the rest is what else the machine was doing


@dataclass(frozen=True)
class Built:
    """A calibrated bank, how it did on the sets it was tuned on, and what it costs."""

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


class Workbench:
    """One class of a data set behind one backbone."""

    def __init__(self, data: DataSpec, image: ImageSpec, backbone: Backbone, reading: Reading | None = None) -> None:
        """``reading`` is that of a model which is to be measured; else the class's images say how they are read."""
        self.data, self.image, self.backbone = data, image.normalised_for(backbone.normalisation), backbone
        self.trunk, self.device = backbone.trunk, backbone.device
        self.root = data_root(data.root)
        images = read_class(self.root, data.class_name)
        if reading is None and data.bit_depth is not None:
            reading = Reading(data.bit_depth)
        self.checked = check_images(self.root, images.records, reading)
        self.splits = make_splits(images, data.seed, self.checked)
        parts = {split.name.title(): split.records for split in self.splits.all}
        self.remarks = all_remarks(images, self.checked, parts)
        self.store = FeatureStore()
        self._masks: dict[str, list[np.ndarray]] = {}
        self._displays: dict[tuple[str, int], tuple[np.ndarray, np.ndarray | None]] = {}
        self._sizes: dict[str, list[tuple[int, int]]] = {}

    @classmethod
    def open(
        cls, data: DataSpec, image: ImageSpec, backbone: BackboneSpec, layers: Sequence[str], device: str = "auto"
    ) -> "Workbench":
        """The workbench for banks that use no other than these layers of the backbone."""
        chosen = choose_device(device)
        read_class(data_root(data.root), data.class_name)  # else weights are downloaded for a class that is not there
        return cls(data, image, Backbone(load_trunk(backbone, layers, data.root), layers, chosen))

    @cached_property
    def digest(self) -> str:
        """The splits' digest: numbers are comparable only if it is the same."""
        return self.splits.digest

    def images(self, name: str) -> ImageSet:
        """The images called ``train_clean``, ``val_shift``, ``test_shift@0.5``, …"""
        return image_set(self.splits, self.root, *parse_name(name))

    def present(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the named sets that hold images: Test may not, where only good images are known."""
        return tuple(name for name in names if len(self.images(name)))

    def features(self, name: str) -> FeatureSet:
        """The backbone's outputs for an image set, computed at most once."""
        return self.store.features(self.images(name), self.backbone, self.image)

    def build(
        self,
        spec: DetectorSpec,
        evaluate_on: Sequence[str] = VAL_SETS,
        *,
        train: str = "train_clean",
        calibrate_on: str = "val_clean",
        good_quantile: float = GOOD_QUANTILE,
    ) -> Built:
        """Build a detector from ``train``, calibrate it on ``calibrate_on`` and evaluate it on the sets named.

        ``good_quantile`` counts only where no anomalies are labelled.
        """
        kind = detector_class(spec.method)
        training = TrainingSet(self.features(train), spec.inputs)
        kind.prepare()
        started = time.perf_counter()
        fitted = kind.fit(training, spec)
        # What was read from the cache costs nothing now, but it did cost something: this is what building takes.
        build_s = time.perf_counter() - started + fitted.saved_seconds
        detector = fitted.detector
        scored = {name: self.score(detector, name) for name in dict.fromkeys((calibrate_on, *evaluate_on))}
        calibration = calibrate(scored[calibrate_on], good_quantile)
        facts = self._facts(train, calibrate_on) | self._threshold_facts(good_quantile)
        scorer = Scorer(self.backbone, detector, self.image, calibration, facts, self.checked.reading)
        evaluations = tuple(self.evaluate(scored[name], calibration) for name in evaluate_on)
        return Built(scorer, evaluations, build_s, self.milliseconds(scorer))

    def _facts(self, train: str, calibrate_on: str) -> dict[str, str]:
        """What a model says of where it comes from."""
        data = {"class": self.data.class_name, "seed": str(self.data.seed), "split_digest": self.digest}
        return {**data, "trained_on": train, "calibrated_on": calibrate_on}

    def _threshold_facts(self, good_quantile: float) -> dict[str, str]:
        if self.splits.has_anomalies:
            return {"threshold_from": "f1"}
        return {"threshold_from": "good_quantile", "good_quantile": str(good_quantile)}

    def score(self, detector: Detector, name: str) -> Scored:
        """Scores and anomaly maps of an image set."""
        images, features = self.images(name), self.features(name)
        scores = _in_chunks(detector, features, f"Scoring {name}")
        maps = [
            anomaly_map(patches, detector.grid, self.image, *size)
            for patches, size in zip(scores.patches, self._image_sizes(images), strict=True)
        ]
        return Scored(images, scores, maps)

    def evaluate(self, scored: Scored, calibration: Calibration) -> Evaluation:
        """Measure a scored set at the calibrated threshold."""
        masks = self._set_masks(scored.images) if self.splits.has_masks else None
        return evaluate(scored, masks, self.image, calibration.threshold)

    def display(self, name: str, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """An image uint8 (h, w, 3) and its mask bool (h, w) or None, shrunk to be shown and remembered."""
        if (name, index) not in self._displays:
            images = self.images(name)
            mask = images.mask(index) if self.splits.has_masks else None
            self._displays[name, index] = (
                fit(images.image(index), DISPLAY_SIDE),
                None if mask is None else fit_mask(mask, DISPLAY_SIDE),
            )
        return self._displays[name, index]

    def _set_masks(self, images: ImageSet) -> list[np.ndarray]:
        if images.name not in self._masks:
            self._masks[images.name] = [images.mask(index) for index in range(len(images))]
        return self._masks[images.name]

    def _image_sizes(self, images: ImageSet) -> list[tuple[int, int]]:
        if images.split not in self._sizes:
            self._sizes[images.split] = [images.size(index) for index in range(len(images))]
        return self._sizes[images.split]

    def milliseconds(self, scorer: Scorer) -> float:
        """Time from file to score and anomaly map: of each of a few images the shortest of several, and of these the
        median.

        Others that keep the machine busy all the while show in it all the same: it is indicative.
        """
        images = self.images("val_clean")

        def once(index: int) -> float:
            started = time.perf_counter()
            image = images.image(index)
            scorer.map(scorer.judge(image), *image.shape[:2])
            return 1000 * (time.perf_counter() - started)

        once(0)  # to warm up
        return statistics.median(
            min(once(index) for _ in range(_TIMES)) for index in range(min(_TIMED_IMAGES, len(images)))
        )


def _in_chunks(detector: Detector, features: FeatureSet, what: str) -> Scores:
    dimensions = sum(features.layers[layer].shape[1] for layer in detector.spec.inputs)
    cells = max(int(np.prod(features.layers[layer].shape[2:])) for layer in detector.spec.inputs)
    step = max(1, _CHUNK_BYTES // (4 * dimensions * cells))
    parts = []
    with bar(len(features), what) as progress:
        for at in range(0, len(features), step):
            chunk = features.chunk(at, min(at + step, len(features)), detector.spec.inputs)
            parts.append(detector.score(chunk))
            progress.update(len(parts[-1].image))
    return Scores(np.concatenate([part.image for part in parts]), np.concatenate([part.patches for part in parts]))
