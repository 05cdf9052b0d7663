"""Models that learn from few images of Train, each number chosen several times, beside the model of all of them."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from adtrack.config import DetectorSpec
from adtrack.data.imageset import TEST_SETS
from adtrack.detectors import detector_class
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.intervals import Estimate
from adtrack.lab.cell import Cell, metric_name
from adtrack.lab.cells import Cells
from adtrack.lab.regimes import model_cell
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup

Item = TypeVar("Item", bound=Hashable)

SHOTS = (1, 2, 5, 10, 20)
CHOICES = 5  # of so many images: how much it matters which ones a model learns from
METRICS = ("image_auroc", *PIXEL_METRICS)


@dataclass(frozen=True)
class FewShotModel:
    """What one model does on each of ``TEST_SETS``: it has learned from ``images`` images, those of this ``choice``.

    ``is_all`` says that these are all images of Train. ``rows`` is how many rows the model remembers.
    """

    class_name: str
    method: str
    images: int
    is_all: bool
    choice: int
    rows: int
    metrics: Mapping[str, Mapping[str, float]]


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
                cell = model_cell(cells, bench, spec.for_fewer(images / total), "clean", TEST_SETS)
                yield _model(cell, class_name, spec.method, images, False, choice)
    yield _model(model_cell(cells, whole, spec, "clean", TEST_SETS), class_name, spec.method, total, True, 0)


def _model(cell: Cell, class_name: str, method: str, images: int, is_all: bool, choice: int) -> FewShotModel:
    metrics = {name: _metrics(cell, class_name, name) for name in TEST_SETS}
    return FewShotModel(class_name, method, images, is_all, choice, int(cell.metrics["cost/bank_rows"]), metrics)


def _metrics(cell: Cell, class_name: str, name: str) -> dict[str, float]:
    return {metric: cell.metrics.get(metric_name(class_name, name, metric), np.nan) for metric in METRICS}


@dataclass(frozen=True)
class FewShotLine:
    """The models of one class, or the mean over classes, that have learned from so many images.

    ``images`` is their number, a mean where it differs between classes. ``metrics`` hold, by set and metric, the mean
    over choices, the lowest and the highest. One model has no lowest and no highest.
    """

    class_name: str
    method: str
    images: float
    is_all: bool
    rows: float
    metrics: Mapping[str, Mapping[str, Estimate]]

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

    def spread(test: str, metric: str) -> Estimate:
        choices = _different(one.choice for one in alike)
        means = [np.mean([one.metrics[test][metric] for one in alike if one.choice == choice]) for choice in choices]
        ends = (min(means), max(means)) if len(means) > 1 else (np.nan, np.nan)
        return Estimate(float(np.mean(means)), *map(float, ends))

    metrics = {test: {metric: spread(test, metric) for metric in METRICS} for test in TEST_SETS}
    images, rows = (float(np.mean([getattr(one, key) for one in alike])) for key in ("images", "rows"))
    return FewShotLine(name, first.method, images, first.is_all, rows, metrics)


def _different(items: Iterable[Item]) -> list[Item]:
    return list(dict.fromkeys(items))
