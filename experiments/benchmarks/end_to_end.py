"""How much sooner is a bank built and evaluated than with anomalib, at the same AUROC?

adtrack from the files to the metrics, every cache empty: 200 Train and about 100 Test images of a class,
ResNet-18, layer2+layer3, 256 px, a coreset of 10 %, threshold from the Val images. Against anomalib's PatchcoreModel
with the same weights on the same decoded views, in batches of 32: its pass over Train, its coreset and its scores of
the Test images. anomalib's Val images, thresholds, maps at source size and pixel metrics are left out.
An AUROC depends on the seed, which draws the greedy order's start and projection, by more than the two programs are
apart: so means and standard deviations of five seeds are compared; and anomalib's last bank and patches are scored by
both, which leaves nothing to chance.

The steps of anomalib's coreset all cost the same, so a few hundred are timed and multiplied. The bank that they lead to
is found by adtrack's greedy order in the very points that anomalib's loop works on, so anomalib's AUROC is that of its
own bank; how much of the order's beginning is the loop's own is printed.

Command:  python -m experiments.benchmarks.end_to_end --data DIR [--class NAME] [--weights FILE] [--crop N] [--share P]
Cost:     about six minutes on 2 CPU cores.
Result:   experiments/results/benchmarks.csv
"""

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from adtrack.config import ImageSpec
from adtrack.data.classes import ImageRecord
from adtrack.data.demo import data_root
from adtrack.data.imageset import ImageSet
from adtrack.data.layouts import read_class
from adtrack.data.loading import view
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation.building import build
from adtrack.evaluation.workbench import Workbench
from adtrack.features.grids import Grid
from experiments.benchmarks.common import data_options, open_bench, report, seconds

BANK = PatchCoreSpec()
SEEDS = range(42, 47)
_TRAIN, _TEST_GOOD, _TEST_DEFECTS = 250, 30, 100  # files: the splits make 200 Train, 30 + 70 Test images of them
_STEPS, _BATCH = 300, 32


def cut_down(root: Path, class_name: str, folder: Path, share: float) -> None:
    """Copy some of a class's images, masks included, into ``folder``: those that the benchmark is about."""
    images = read_class(root, class_name)
    kinds = sorted({record.kind for record in images.test if record.label})
    wanted = {"good": _TEST_GOOD} | dict.fromkeys(kinds, _TEST_DEFECTS // len(kinds))
    chosen = _some(images.train, _TRAIN * share)
    for kind, count in wanted.items():
        chosen += _some([record for record in images.test if record.kind == kind], count * share)
    _copy(chosen, root, folder)


def share_of(root: Path, class_name: str, folder: Path, share: float) -> None:
    """Copy a share of a class's Train images, and of its Test images of every kind, masks included, into ``folder``."""
    images = read_class(root, class_name)
    kinds = sorted({record.kind for record in images.test})
    parts = [images.train, *([record for record in images.test if record.kind == kind] for kind in kinds)]
    _copy([record for part in parts for record in _some(part, len(part) * share)], root, folder)


def _copy(chosen: list[ImageRecord], root: Path, folder: Path) -> None:
    for path in (path for record in chosen for path in (record.path, record.mask) if path):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (root / path).is_dir() else shutil.copyfile  # a folder of masks is one mask
        copy(root / path, folder / path)


def _some(records: list[ImageRecord] | tuple[ImageRecord, ...], count: float) -> list[ImageRecord]:
    """Evenly chosen ones, at least 4 if there are so many."""
    count = min(len(records), max(4, round(count)))
    return [records[at] for at in np.linspace(0, len(records) - 1, count).round().astype(int)]


@contextmanager
def empty_cache() -> Iterator[None]:
    """Use an empty cache, without features, networks and orders, for the ``with`` block."""
    before = os.environ.get("ADTRACK_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ADTRACK_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("ADTRACK_CACHE")
            if before is not None:
                os.environ["ADTRACK_CACHE"] = before


def build_and_evaluate(data: str, class_name: str, weights: str, image: ImageSpec) -> Workbench:
    """Build adtrack's bank with an empty cache and evaluate it on Test. Returns the bench."""
    with empty_cache():
        bench = open_bench(data, class_name, weights, image)
        build(bench, BANK, ("test_clean",))
        return bench


def aurocs(data: str, class_name: str, weights: str, image: ImageSpec) -> list[float]:
    """Test AUROC of adtrack's banks of all seeds."""
    with empty_cache():
        bench = open_bench(data, class_name, weights, image)
        banks = (build(bench, replace(BANK, seed=seed), ("test_clean",)) for seed in SEEDS)
        return [evaluation.metrics["image_auroc"] for bank in banks for evaluation in bank.evaluations]


class Anomalib:
    """anomalib's PatchCore behind the bench's trunk, and the seconds of its parts."""

    def __init__(self, bench: Workbench, images: ImageSet) -> None:
        """With the features of good ``images``."""
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        self.model = PatchcoreModel(BANK.layers, bench.backbone.trunk.network, pre_trained=False)
        network = self.model.feature_extractor.feature_extractor
        network.load_state_dict({name: bench.backbone.trunk.tensors[name] for name in network.state_dict()})
        self.view = bench.image
        self.parts: dict[str, float] = {}
        self.model.train()
        self.parts["features"] = seconds(lambda: [self.model(batch) for batch in self._batches(images)])
        self.embedding = torch.vstack(self.model.embedding_store)
        self.model.embedding_store.clear()

    def time_coreset(self) -> None:
        """How long KCenterGreedy takes, and how far its loop goes adtrack's way."""
        known = []

        def begin(steps: int) -> float:
            sampler.coreset_size = steps + 1  # the first one is drawn
            return seconds(lambda: known.append(sampler.select_coreset_idxs()))

        sampler = self._sampler(BANK.seed)
        count = sampler.coreset_size
        steps = min(_STEPS, count - 1)
        projection = begin(0)
        a_step = (begin(steps) - projection) / steps
        self.parts[f"coreset, {steps} of {count - 1} steps timed"] = projection + a_step * (count - 1)
        order = greedy_order(sampler.features, steps + 1, start=known[1][0], projection=None)
        # Its loop compares float32 distances, which may swap patches that are nearly as far.
        same = float(np.mean(order.numpy() == np.array(known[1])))
        click.echo(f"anomalib's loop and adtrack's order agree in {same:.1%} of the first {steps + 1} patches")

    def auroc(self, images: ImageSet, seed: int) -> float:
        """AUROC of its bank of this seed."""
        sampler = self._sampler(seed)
        count, sampler.coreset_size = sampler.coreset_size, 1
        (start,) = sampler.select_coreset_idxs()  # and the projection
        order = greedy_order(sampler.features, count, start=int(start), projection=None)
        self.model.memory_bank = self.embedding[order]
        return float(roc_auc_score(images.labels, self._scores(images)))

    def aurocs_of_one_bank(self, images: ImageSet) -> tuple[float, float]:
        """AUROC of adtrack's scores and of its own, both of its patches and the bank that it has."""
        spec = replace(BANK, layers=("patches",), patch_size=1)
        detector = PatchCore(spec, MemoryBank(self.model.memory_bank), {"patches": Grid(0.0, 1.0)})
        ours = np.concatenate([detector.score({"patches": patches}).image for patches in self._patches(images)])
        return float(roc_auc_score(images.labels, ours)), float(roc_auc_score(images.labels, self._scores(images)))

    @torch.inference_mode()
    def _patches(self, images: ImageSet) -> list[Tensor]:
        """Its patch features of every batch: float32 (n, D, h, w)."""
        layers = (self.model.feature_extractor(batch) for batch in self._batches(images))
        pooled = ({name: self.model.feature_pooler(output) for name, output in part.items()} for part in layers)
        return [self.model.generate_embedding(part) for part in pooled]

    def _sampler(self, seed: int):
        from anomalib.models.components.sampling import KCenterGreedy

        torch.manual_seed(seed)  # its start, and some of its projection
        np.random.seed(seed)  # the rest of it
        return KCenterGreedy(self.embedding, BANK.coreset_fraction)

    def _scores(self, images: ImageSet) -> np.ndarray:
        """float32 (n,)."""
        self.model.eval()
        found: list[Tensor] = []
        self.parts["scores"] = seconds(
            lambda: found.extend(self.model(batch).pred_score for batch in self._batches(images))
        )
        return torch.cat([part.reshape(-1) for part in found]).numpy()

    def _batches(self, images: ImageSet) -> Iterator[Tensor]:
        for at in range(0, len(images), _BATCH):
            chosen = range(at, min(at + _BATCH, len(images)))
            yield torch.stack([view(images.image(index), self.view) for index in chosen])


@click.command(help=__doc__)
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Of the images, to try it.")
@click.option("--crop", default=0, show_default=True, help="Side of the central crop of 256 px; 0 = none.")
@data_options
def main(data: str, class_name: str, weights: str, share: float, crop: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        cut_down(data_root(data, class_name), class_name, Path(scratch), share)
        compare(scratch, class_name, weights, ImageSpec(256, crop))


def compare(data: str, class_name: str, weights: str, image: ImageSpec) -> None:
    """Both on the class in ``data``, adtrack before and after anomalib."""
    asked, benches = (data, class_name, weights, image), []
    ours = [seconds(lambda: benches.append(build_and_evaluate(*asked)))]
    train, test = (benches[0].opened.images(name) for name in ("train_clean", "test_clean"))
    theirs = Anomalib(benches[0], train)
    theirs.time_coreset()
    their_aurocs = [theirs.auroc(test, seed) for seed in SEEDS]
    same = theirs.aurocs_of_one_bank(test)
    ours.append(seconds(lambda: build_and_evaluate(*asked)))
    parts = {f"anomalib: {name}": taken for name, taken in theirs.parts.items()}
    times = {"adtrack": statistics.fmean(ours), "anomalib": sum(parts.values()), **parts}
    work = f"{len(train)} Train, {len(test)} Test images of {class_name}, {image.size} px, {BANK.coreset_fraction:.0%}"
    found = f"image AUROC of {len(SEEDS)} seeds {spread(aurocs(*asked))}, anomalib's {spread(their_aurocs)}"
    found += f"; of one bank and patches {same[0]:.4f}, anomalib's {same[1]:.4f}"
    report("build + evaluate", f"{work}; {found}", times, "adtrack")


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


if __name__ == "__main__":
    main()
