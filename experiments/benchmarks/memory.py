"""How much memory does a bank of a million patches take?

Peak resident memory of a process that does what build-bank does after the backbone's pass: reads layer outputs from
the cache, projects all patches, finds the greedy order and gathers the bank. 1,276 images of ResNet-18 at 224 px,
layer2+layer3, are 1,000,384 patches of 384 numbers; the class's Train images are turned and mirrored until there are as
many. The libraries that build-bank loads are part of it, and the pass itself is measured in a process of its own.

\b
Command:  python -m experiments.benchmarks.memory --data DIR [--class NAME] [--weights FILE]
Cost:     a minute for the pass and some for the order, on 2 CPU cores; --coreset-fraction 0.001 is quicker.
Result:   experiments/results/memory.csv
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ClassVar
from unittest import mock

import click
from torch import Tensor

import adtrack.verbs.build  # noqa: F401 - all that the command loads is loaded here
from adtrack.detectors import building
from adtrack.detectors.order_cache import Grow, Order, OrderStore
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.training import TrainingSet
from adtrack.features.feature_set import FeatureSet
from adtrack.lab.memory import peak_megabytes
from experiments.benchmarks.common import LOG, append, data_options, open_bench
from experiments.benchmarks.turned import Turned

TARGET = 3000.0  # MB


class Stages(OrderStore):
    """Remembers the peaks on the way to an order: {what is done by then: MB}."""

    peaks: ClassVar[dict[str, float]] = {}

    def orders(self, key: str, counts: Sequence[int], grow: Grow) -> Iterator[Order]:
        """As ``OrderStore.orders``."""

        def watched(prefix: Tensor | None) -> Iterator[Tensor]:
            for found in grow(prefix):
                if len(found) > 1:  # the first is the start alone
                    self.peaks.setdefault("projected patches, their codes and the first round", peak_megabytes())
                yield found

        for found in super().orders(key, counts, watched):
            self.peaks["greedy order"] = peak_megabytes()
            yield found


def features_of(data: str, class_name: str, weights: str, images: int) -> FeatureSet:
    """Layer outputs of so many images, from the cache if they are there."""
    bench = open_bench(data, class_name, weights)
    return bench.store.features(Turned(bench.opened.images("train_clean"), images), bench.backbone, bench.image)


def pass_peak(*where: object) -> float:
    """The peak in MB while the outputs are computed, or read if they are cached."""
    features_of(*where)
    return peak_megabytes()


def fit_peaks(fraction: float, *where: object) -> tuple[str, dict[str, float]]:
    """What is done, and the peaks in MB after each stage."""
    features = features_of(*where)
    Stages.peaks["libraries, network, list of images"] = peak_megabytes()
    spec = PatchCoreSpec(coreset_fraction=fraction)
    with tempfile.TemporaryDirectory() as scratch, mock.patch.object(building, "OrderStore", Stages):
        detector = PatchCore.fit(TrainingSet(features, spec.inputs, Path(scratch)), spec).detector
    Stages.peaks["bank"] = peak_megabytes()
    height, width = features.layers["layer2"].shape[2:]
    rows, dimensions = detector.bank.patches.shape
    return f"{rows} of {len(features) * height * width} × {dimensions}", Stages.peaks


@click.command(help=__doc__)
@data_options
@click.option("--images", default=1276, show_default=True, help="784 patches each.")
@click.option("--coreset-fraction", default=0.1, show_default=True)
def main(data: str, class_name: str, weights: str, images: int, coreset_fraction: float) -> None:
    where = (data, class_name, weights, images)
    one = _in_a_process(pass_peak, *where)
    work, peaks = _in_a_process(fit_peaks, coreset_fraction, *where)
    click.echo(f"memory: {work}")
    peaks = {"backbone pass, in a process of its own": one, **peaks}
    for stage, peak in {**peaks, "target": TARGET}.items():
        click.echo(f"  {stage:52} {peak:8.0f} MB")
    rows = [{"work": work, "up to": stage, "peak MB": f"{peak:.0f}"} for stage, peak in peaks.items()]
    append(LOG.with_name("memory.csv"), rows)


def _in_a_process(function: Callable, *arguments: object) -> object:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


if __name__ == "__main__":
    main()
