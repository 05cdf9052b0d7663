"""How much sooner is a bank built and evaluated than with anomalib, at the same AUROC?

adtrack's Workbench from the files to the metrics, every cache empty: 200 Train and about 100 Test images of a class,
ResNet-18, layer2+layer3, 256 px, a coreset of 10 %, threshold from the Val images. Against anomalib's PatchcoreModel
with the same weights on the same decoded views, in batches of 32: its pass over Train, its coreset and its scores of
the Test images. anomalib's Val images, thresholds, maps at source size and pixel metrics are left out.
The AUROCs are those of two methods, not of two programs: at the border of the view adtrack takes the mean of the cells
that are there, anomalib fills up with zeros.

The steps of anomalib's coreset all cost the same, so a few hundred are timed and multiplied. The bank that they lead to
is found by adtrack's greedy order in the very points that anomalib's loop works on, so anomalib's AUROC is that of its
own bank; that the order begins as the loop does is checked.

Command:  python -m experiments.benchmarks.end_to_end --data DIR [--class NAME] [--weights FILE] [--crop N] [--share P]
Cost:     about three minutes on 2 CPU cores.
Result:   experiments/results/benchmarks.csv
"""

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from adtrack.config import BankSpec, ImageSpec
from adtrack.data.classes import ImageRecord, read_class
from adtrack.data.demo import data_root
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import view
from adtrack.detectors.coreset import greedy_order
from adtrack.evaluation.workbench import Workbench
from experiments.benchmarks.common import data_options, open_bench, report, seconds

BANK = BankSpec()
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
    for path in (path for record in chosen for path in (record.path, record.mask) if path):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, folder / path)


def _some(records: list[ImageRecord] | tuple[ImageRecord, ...], count: float) -> list[ImageRecord]:
    """Evenly chosen ones, at least 4 if there are so many."""
    count = min(len(records), max(4, round(count)))
    return [records[at] for at in np.linspace(0, len(records) - 1, count).round().astype(int)]


@contextmanager
def empty_cache() -> Iterator[None]:
    """No features, trunks or orders are known."""
    before = os.environ.get("ADTRACK_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ADTRACK_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("ADTRACK_CACHE")
            if before is not None:
                os.environ["ADTRACK_CACHE"] = before


def build_and_evaluate(data: str, class_name: str, weights: str, image: ImageSpec) -> tuple[float, Workbench]:
    """Test AUROC of adtrack's bank, and the bench that it was built on."""
    with empty_cache():
        bench = open_bench(data, class_name, weights, image)
        (evaluation,) = bench.build(BANK, ("test_clean",)).evaluations
        return evaluation.metrics["image_auroc"], bench


class Anomalib:
    """anomalib's PatchCore behind the bench's trunk, and the seconds of its parts."""

    def __init__(self, bench: Workbench) -> None:
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        self.model = PatchcoreModel(BANK.layers, bench.trunk.network, pre_trained=False)
        network = self.model.feature_extractor.feature_extractor
        network.load_state_dict({name: bench.trunk.tensors[name] for name in network.state_dict()})
        self.view = bench.image
        self.parts: dict[str, float] = {}

    def fit(self, images: ImageSet) -> None:
        """Its features, its coreset and the bank."""
        self.model.train()
        self.parts["features"] = seconds(lambda: [self.model(batch) for batch in self._batches(images)])
        embedding = torch.vstack(self.model.embedding_store)
        self.model.embedding_store.clear()
        self.model.memory_bank = embedding[self._coreset(embedding)]

    def _coreset(self, embedding: Tensor) -> Tensor:
        """The indices that KCenterGreedy finds."""
        from anomalib.models.components.sampling import KCenterGreedy

        sampler = KCenterGreedy(embedding, BANK.coreset_fraction)
        count, known = sampler.coreset_size, []

        def begin(steps: int) -> float:
            sampler.coreset_size = steps + 1  # the first one is drawn
            return seconds(lambda: known.append(sampler.select_coreset_idxs()))

        torch.manual_seed(BANK.seed)  # its start, and some of its projection
        np.random.seed(BANK.seed)  # the rest of it
        steps = min(_STEPS, count - 1)
        projection = begin(0)
        a_step = (begin(steps) - projection) / steps
        self.parts[f"coreset, {steps} of {count - 1} steps timed"] = projection + a_step * (count - 1)
        order = greedy_order(sampler.features, count, start=known[1][0], projection=None)
        # Its loop compares float32 distances, which may swap patches that are nearly as far.
        same = float(np.mean(order[: steps + 1].numpy() == np.array(known[1])))
        click.echo(f"anomalib's loop and its bank agree in {same:.1%} of the first {steps + 1} patches")
        return order

    def scores(self, images: ImageSet) -> np.ndarray:
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
        cut_down(data_root(data), class_name, Path(scratch), share)
        compare(scratch, class_name, weights, ImageSpec(256, crop))


def compare(data: str, class_name: str, weights: str, image: ImageSpec) -> None:
    """Both on the class in ``data``, adtrack before and after anomalib."""
    ours, found = [], []
    ours.append(seconds(lambda: found.append(build_and_evaluate(data, class_name, weights, image))))
    auroc, bench = found[0]
    train, test = bench.images("train_clean"), bench.images("test_clean")
    theirs = Anomalib(bench)
    theirs.fit(train)
    their_auroc = roc_auc_score(test.labels, theirs.scores(test))
    ours.append(seconds(lambda: build_and_evaluate(data, class_name, weights, image)))
    parts = {f"anomalib: {name}": taken for name, taken in theirs.parts.items()}
    mine = f"adtrack, image AUROC {auroc:.4f}"
    times = {mine: statistics.fmean(ours), f"anomalib, image AUROC {their_auroc:.4f}": sum(parts.values()), **parts}
    work = f"{len(train)} Train, {len(test)} Test images of {class_name}, {image.size} px, {BANK.coreset_fraction:.0%}"
    report("build + evaluate", f"{work}; AUROCs differ by {abs(auroc - their_auroc):.4f}", times, mine)


if __name__ == "__main__":
    main()
