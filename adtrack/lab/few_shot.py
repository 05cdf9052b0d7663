"""Models that learn from few images of Train, each number chosen several times, beside the model of all of them."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from adtrack.config import DetectorSpec
from adtrack.data.imageset import TEST_SETS
from adtrack.detectors import detector_class
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.workbench import Workbench
from adtrack.findings import counted
from adtrack.lab.cell import metric_name
from adtrack.lab.cells import Cells
from adtrack.lab.drift import DriftModel, drift_cell
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup

Item = TypeVar("Item", bound=Hashable)

SHOTS = (1, 2, 5, 10, 20)
CHOICES = 5  # of so many images: how much it matters which ones a model learns from
METRIC = "image_auroc"  # a metric of pixels would take several times as long


@dataclass(frozen=True)
class FewShotModel:
    """A model that has learned from ``images`` images, those of this ``choice``, and its image AUROC on each of
    ``TEST_SETS``.

    ``is_all`` says that these are all images of Train. ``rows`` is how many rows the model remembers.
    """

    class_name: str
    method: str
    images: int
    is_all: bool
    choice: int
    rows: int
    auroc: Mapping[str, float]


def measure_few_shots(cells: Cells, setup: Setup) -> list[FewShotModel]:
    """The models of every class and method: all choices of every number of images, and the model of all images.

    Every model of a method is to remember as many rows as that of all images, so that few images do not have a smaller
    model as well. It has as many as its images suffice for.
    """
    return [
        model
        for class_name in setup.classes
        for spec in setup.detectors
        for model in _models(cells, setup, class_name, spec)
    ]


def _models(cells: Cells, setup: Setup, class_name: str, spec: DetectorSpec) -> Iterator[FewShotModel]:
    whole = setup.bench(class_name)
    total = len(whole.opened.images("train_clean"))
    for images in SHOTS:
        if detector_class(spec.method).least_images <= images < total:
            for choice in range(CHOICES):
                bench = setup.bench(class_name, images, choice)
                yield _model(cells, bench, spec.for_fewer(images / total), choice)
    yield _model(cells, whole, spec, 0)


def _model(cells: Cells, bench: Workbench, spec: DetectorSpec, choice: int) -> FewShotModel:
    splits, class_name = bench.opened.splits, bench.opened.data.class_name
    images, is_all = len(splits.train.records), splits.train_images is None
    name = f"from all {images} images" if is_all else f"from {counted(images, 'image')}, choice {choice + 1}"
    cell = drift_cell(cells, bench, DriftModel(name, spec, ("val_clean",)), TEST_SETS)
    auroc = {test: cell.metrics[metric_name(class_name, test, METRIC)] for test in TEST_SETS}
    return FewShotModel(class_name, spec.method, images, is_all, choice, int(cell.metrics["cost/bank_rows"]), auroc)


@dataclass(frozen=True)
class FewShotLine:
    """The models of one class, or the mean over classes, that have learned from so many images.

    ``images`` is their number, a mean where it differs between classes. ``auroc`` holds, by set, the mean over choices,
    the lowest and the highest. One model has no lowest and no highest.
    """

    class_name: str
    method: str
    images: float
    is_all: bool
    rows: float
    auroc: Mapping[str, Estimate]

    @property
    def words(self) -> str:
        """The number of images as a reader takes it: ``5``, ``all 610``."""
        return f"{'all ' if self.is_all else ''}{self.images:g}"


def few_shot_lines(models: Sequence[FewShotModel]) -> list[FewShotLine]:
    """The lines of every class and, if there are several, of their macro mean, in the order of the models.

    The mean is over the numbers of images that all classes have.
    """
    classes, methods = _different(one.class_name for one in models), _different(one.method for one in models)
    groups = [(name, [name]) for name in classes] + ([(MACRO, classes)] if len(classes) > 1 else [])
    found = []
    for name, members in groups:
        for method in methods:
            some = [one for one in models if one.method == method and one.class_name in members]
            for key in _different((one.is_all, 0 if one.is_all else one.images) for one in some):
                alike = [one for one in some if (one.is_all, 0 if one.is_all else one.images) == key]
                if {one.class_name for one in alike} == set(members):
                    found.append(_line(name, alike))
    return found


def _line(name: str, alike: Sequence[FewShotModel]) -> FewShotLine:
    """``alike`` are models of one method and number of images: all choices, of each class that the line is about."""
    first = alike[0]

    def spread(test: str) -> Estimate:
        choices = _different(one.choice for one in alike)
        means = [np.mean([one.auroc[test] for one in alike if one.choice == choice]) for choice in choices]
        ends = (min(means), max(means)) if len(means) > 1 else (np.nan, np.nan)
        return Estimate(float(np.mean(means)), *map(float, ends))

    images, rows = (float(np.mean([getattr(one, key) for one in alike])) for key in ("images", "rows"))
    return FewShotLine(name, first.method, images, first.is_all, rows, {test: spread(test) for test in TEST_SETS})


def _different(items: Iterable[Item]) -> list[Item]:
    return list(dict.fromkeys(items))
