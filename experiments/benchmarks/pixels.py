"""How much faster are pixel AUROC and AU-PRO than elsewhere, with the same values and in how much memory?

adtrack's pixel_metrics (pixel AUROC, AU-PRO to 0.30 and to 0.05) against anomalib's AUPRO (to 0.30) and scikit-learn's
roc_auc_score, on 150 maps of 224 × 224 and 40 of 1024 × 1024 pixels. With --data they are maps and masks of a class's
Test images, by a bank of 1 %; without, smooth random fields and blobs. A peak is the memory that a process needs above
maps and masks, as a multiple of the maps (float32).
anomalib sums in float32, so its AU-PRO agrees to about 1e-5; the AUROCs agree to the last digits.

Command:  python -m experiments.benchmarks.pixels [--data DIR] [--class NAME] [--weights FILE] [--share 0.1]
Cost:     about two minutes on 2 CPU cores once the features are cached.
Result:   experiments/results/benchmarks.csv
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import torch
from PIL import Image

from adtrack.config import ImageSpec
from adtrack.detectors.maps import anomaly_map
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.metrics import pixel_metrics
from adtrack.features.grids import Grid
from experiments.benchmarks.common import data_options, in_turns, open_bench, peak_memory, report

_SETS = ((150, 224), (40, 1024))
_GRID = Grid(0.0, 8.0)

Values = tuple[float, float]
Contender = Callable[[np.ndarray, np.ndarray], Values]


def adtrack(maps: np.ndarray, masks: np.ndarray) -> Values:
    """Pixel AUROC and AU-PRO to 0.30."""
    found = pixel_metrics(maps, masks)
    return found["pixel_auroc"], found["pixel_aupro_030"]


def others(maps: np.ndarray, masks: np.ndarray) -> Values:
    """The same of scikit-learn and anomalib."""
    from anomalib.metrics import AUPRO
    from sklearn.metrics import roc_auc_score

    metric = AUPRO(fields=["maps", "masks"], fpr_limit=0.3)
    metric.update(SimpleNamespace(maps=torch.from_numpy(maps), masks=torch.from_numpy(masks)))
    return float(roc_auc_score(masks.ravel(), maps.ravel())), float(metric.compute())


CONTENDERS: dict[str, Contender] = {"adtrack": adtrack, "anomalib AUPRO, scikit-learn AUROC": others}


def agreement(ours: Values, theirs: Values) -> str:
    """By how much AUROC and AU-PRO differ. AssertionError if it is more than the float32 sums of the others explain."""
    auroc, aupro = (abs(one - other) for one, other in zip(ours, theirs, strict=True))
    assert auroc < 1e-9 and aupro < 1e-4, f"the values differ: {ours} and {theirs}"
    return f"AUROC within {max(auroc, 1e-16):.0e}, AU-PRO within {max(aupro, 1e-16):.0e}"


def generated(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps float32 and masks bool (count, side, side): every third without a defect, the others with several blobs."""
    draws, view = np.random.default_rng(42), ImageSpec(224, 0)
    maps, masks = np.empty((count, side, side), np.float32), np.empty((count, side, side), bool)
    for index in range(count):
        noise, hills = draws.gamma(9.0, 0.2, (28, 28)), draws.normal(0.0 if index % 3 else -9.0, 1.0, (28, 28))
        height = anomaly_map(hills, _GRID, view, side, side)
        masks[index] = height > 0.5
        maps[index] = anomaly_map(noise, _GRID, view, side, side) + np.maximum(height, 0)
    return maps, masks


def scored(data: str, class_name: str, weights: str, count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps float32 and masks bool (count, side, side) of Test images, evenly chosen: what the view shows of them."""
    bench = open_bench(data, class_name, weights)
    spec, view, name = PatchCoreSpec(coreset_fraction=0.01), bench.image, "test_clean"
    detector = PatchCore.fit(TrainingSet(bench.features("train_clean"), spec.inputs), spec).detector
    images, features = bench.opened.images(name), bench.features(name)
    edge = (view.resize - view.size) // 2
    maps, masks = np.empty((count, side, side), np.float32), np.empty((count, side, side), bool)
    for index, at in enumerate(np.linspace(0, len(images) - 1, count).round().astype(int).tolist()):
        patches = detector.score(features.chunk(at, at + 1, spec.layers)).patches[0]
        maps[index] = anomaly_map(patches, detector.grid, ImageSpec(view.size, 0), side, side)
        mask = Image.fromarray(images.mask(at)).resize((view.resize, view.resize))
        masks[index] = mask.crop((edge, edge, view.resize - edge, view.resize - edge)).resize((side, side))
    return maps, masks


def prepare(name: str, folder: str) -> Callable[[], Values]:
    """The contender on the maps and masks in ``folder``, after a small piece of the work has loaded what it needs."""
    maps, masks = np.load(Path(folder, "maps.npy")), np.load(Path(folder, "masks.npy"))
    some = masks.any(axis=(1, 2)).argmax()
    CONTENDERS[name](maps[some : some + 1, :32, :32] + 1, np.eye(32, dtype=bool)[None])
    return functools.partial(CONTENDERS[name], maps, masks)


def compare(maps: np.ndarray, masks: np.ndarray, source: str) -> None:
    """Values, seconds and peaks of all contenders on maps float32 and masks bool (n, side, side)."""
    values = [contender(maps, masks) for contender in CONTENDERS.values()]
    works = {name: functools.partial(contender, maps, masks) for name, contender in CONTENDERS.items()}
    times = in_turns(works, 3)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "maps.npy"), maps)
        np.save(Path(folder, "masks.npy"), masks)
        peaks = {name: peak_memory(prepare, name, folder) / maps.nbytes for name in CONTENDERS}
    work = f"{len(maps)} × {maps.shape[1]}², {source}, {masks.mean():.1%} defect pixels; {agreement(*values)}"
    named = {f"{name}; peak {peaks[name]:.2f} × the maps": taken for name, taken in times.items()}
    report("pixel AUROC + AU-PRO", work, named, next(iter(named)))


@click.command(help=__doc__)
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Of the maps, to try it.")
@functools.partial(data_options, required=False)
def main(data: str | None, class_name: str, weights: str, share: float) -> None:
    for count, side in _SETS:
        count = max(2, round(count * share))
        made = scored(data, class_name, weights, count, side) if data else generated(count, side)
        compare(*made, class_name if data else "generated")


if __name__ == "__main__":
    main()
