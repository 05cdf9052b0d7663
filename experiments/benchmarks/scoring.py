"""What does the score of one image cost beyond the pass through the network?

From a file to score and anomaly map, against decoding and the backbone's pass alone: ResNet-18, layer2+layer3, patch 3,
256 px cropped to 224, a bank of 1 % of 240 images. Then the parts of the rest: patches, search and re-weighting
together, and the map. Every part is timed on every image in turn, after a pass through the network, which leaves other
data in the processor's caches. The medians are compared.

Command:  python -m experiments.benchmarks.scoring --data DIR [--class NAME] [--weights FILE] [--images 20]
Cost:     half a minute on 2 CPU cores once the features are cached.
Result:   experiments/results/benchmarks.csv
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from torch import Tensor

from adtrack.data.loading import view
from adtrack.detectors.calibration import Calibration, ColourRange
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.workbench import Workbench
from adtrack.features.feature_set import FeatureSet
from experiments.benchmarks.common import data_options, open_bench, report

_TRAINED_ON = 240
FLOOR = "decode and backbone pass"


def first_images(features: FeatureSet, count: int) -> FeatureSet:
    """The features of the first images of a set."""
    layers = {name: np.asarray(features.layers[name][:count]) for name in features.grids}
    return dataclasses.replace(features, key=f"{features.key}, first {count}", layers=layers)


def scorer_of(bench: Workbench) -> Scorer:
    """A bank of 1 % of the first Train images; its threshold does not matter here."""
    features = first_images(bench.features("train_clean"), _TRAINED_ON)
    spec = PatchCoreSpec(coreset_fraction=0.01)
    detector = PatchCore.fit(TrainingSet(features, spec.inputs), spec).detector
    return Scorer(bench.backbone, detector, bench.image, Calibration(0.0, ColourRange(0.0, 1.0)), {})


class Clock:
    """Milliseconds by the name of what took them."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """What ``work`` gives, once its time is noted."""
        started = time.perf_counter()
        result = work()
        self.taken.setdefault(name, []).append(time.perf_counter() - started)
        return result

    def medians(self) -> dict[str, float]:
        """Median seconds of each, without the first time, which warms up."""
        return {name: statistics.median(times[1:]) for name, times in self.taken.items()}


def time_one(scorer: Scorer, read: Callable[[], np.ndarray], clock: Clock) -> None:
    """Score one image as a whole and in parts."""

    def seen() -> Tensor:
        return view(read(), scorer.image)[None]

    def whole() -> np.ndarray:
        image = read()
        return scorer.map(scorer.judge(image), *image.shape[:2])

    clock.time(FLOOR, lambda: scorer.backbone(seen()))
    heat = clock.time("file to score and map", whole)
    outputs = scorer.outputs(read())
    judgement = clock.time("of it: after the pass", lambda: scorer.judge_outputs(outputs))
    again = clock.time("of it: map", lambda: scorer.map(judgement, *heat.shape))
    assert np.array_equal(heat, again, equal_nan=True)


@click.command(help=__doc__)
@click.option("--images", default=60, show_default=True, help="Test images, evenly chosen.")
@data_options
def main(data: str, class_name: str, weights: str, images: int) -> None:
    bench = open_bench(data, class_name, weights)
    scorer, test, clock = scorer_of(bench), bench.opened.images("test_clean"), Clock()
    for at in np.linspace(0, len(test) - 1, images + 1).round().astype(int).tolist():
        time_one(scorer, lambda at=at: test.image(at), clock)
    bank = scorer.detector.bank.patches
    report("scoring one image", f"bank {len(bank)} × {bank.shape[1]}, {images} images", clock.medians(), FLOOR)


if __name__ == "__main__":
    main()
