"""What do the exact scores of 100 images cost at five coreset fractions, if no anomaly maps are wanted?

One bank after the other, 1, 2.5, 5, 10 and 25 % of the patches of some Train images in their greedy order, scores the
same images by their farthest patches alone; against the scores of all patches with the largest bank only. All scores
are compared: they must have the same bits. Times are CPU seconds of one thread, the least of several turns.

\b
Command:  python -m experiments.benchmarks.ladder --data DIR [--class NAME] [--weights FILE]
Cost:     about five minutes on 2 CPU cores.
Result:   experiments/results/benchmarks.csv
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from unittest.mock import patch

import click
import numpy as np
import torch
from torch import Tensor

from adtrack.detectors import hausdorff
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scoring import image_scores, score_features
from adtrack.features.feature_set import FeatureSet
from adtrack.settings import parse_layers
from experiments.benchmarks.common import data_options, merged, open_bench, report

FRACTIONS = (0.01, 0.025, 0.05, 0.1, 0.25)


def some_of(features: FeatureSet, images: int) -> FeatureSet:
    """So many images of a set, spread over all of it."""
    step = max(1, len(features) // images)
    layers = {name: np.asarray(outputs[::step][:images]) for name, outputs in features.layers.items()}
    return replace(features, key=f"{features.key} {images}", layers=layers)


class Ladder:
    """Banks at all fractions, and images to be scored with them."""

    def __init__(self, features: FeatureSet, patches: Tensor, spec: PatchCoreSpec) -> None:
        order = greedy_order(patches, round(FRACTIONS[-1] * len(patches)), seed=spec.seed)
        self.features, self.spec, self.rows = features, spec, patches[order]
        self.counts = [round(fraction * len(patches)) for fraction in FRACTIONS]

    def detector(self, count: int) -> PatchCore:
        """A detector that has been asked for nothing yet."""
        return PatchCore(self.spec, MemoryBank(self.rows[:count]), self.features.grids)

    def scores(self) -> list[np.ndarray]:
        """The images' scores with each bank, by their farthest patches; nothing is known before."""
        hausdorff.forget()
        with TemporaryDirectory() as cache, patch.dict(os.environ, ADTRACK_CACHE=cache):
            return [image_scores(self.detector(count), self.features, "Scoring").image for count in self.counts]

    def by_maps(self, counts: Sequence[int]) -> list[np.ndarray]:
        """The images' scores with the banks of these numbers of rows, by the scores of all patches."""
        return [score_features(self.detector(count), self.features, "Scoring").image for count in counts]


def least(works: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """The least CPU seconds of each work, all in turn."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            started = time.process_time()
            work()
            times[name].append(time.process_time() - started)
    return {name: min(taken) for name, taken in times.items()}


@click.command(help=__doc__)
@click.option("--layers", default="layer1+layer2", show_default=True)
@click.option("--train", default=60, show_default=True, help="Train images whose patches the banks are chosen of.")
@click.option("--images", default=100, show_default=True, help="Images that are scored.")
@click.option("--turns", default=3, show_default=True)
@data_options
def main(data: str, class_name: str, weights: str, layers: str, train: int, images: int, turns: int) -> None:
    spec = PatchCoreSpec(layers=parse_layers(layers))
    bench = open_bench(data, class_name, weights, layers=spec.layers)
    patches = merged(bench.features("train_clean"), train, spec.layers)
    ladder = Ladder(some_of(bench.features("val_clean"), images), patches, spec)
    torch.set_num_threads(1)
    assert all(map(np.array_equal, ladder.scores(), ladder.by_maps(ladder.counts))), "scores differ"
    works = {
        "five banks, farthest patches alone": ladder.scores,
        "the largest bank, all patches": lambda: ladder.by_maps(ladder.counts[-1:]),
    }
    work = f"{len(ladder.features)} images, up to {ladder.counts[-1]} × {patches.shape[1]}, same bits"
    report("image scores on a ladder", work, least(works, turns), "five banks, farthest patches alone")


if __name__ == "__main__":
    main()
