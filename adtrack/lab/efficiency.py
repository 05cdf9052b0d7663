"""What methods cost. Each is measured in the same way: in a process of its own, once it is warm, and one at a time."""

import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adtrack.config import DetectorSpec, plain
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.calibrating import calibrate
from adtrack.evaluation.evaluate import ScoredSet
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.stopwatch import milliseconds_once
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.memory import peak_megabytes
from adtrack.lab.own_process import in_own_process
from adtrack.lab.setup import Setup
from adtrack.reporting.table import Column, Table, number_text
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.made_with import device_name

_WARM_UP = 5
_IMAGES = 60
COLUMNS = {
    "rows": ("rows", 0),
    "size_mb": ("size\nMB", 2),
    "build_s": ("build\ns", 2),
    "median_ms": ("ms per image\nmedian", 1),
    "p95_ms": ("ms per image\n95th percentile", 1),
    "peak_mb": ("peak memory\nMB", 0),
}
NOTES = (
    "Rows are what the method remembers: patches, Gaussians, parameters. Building starts from layer outputs that are "
    "in the cache. The time of an image runs from its file to its score and, where the method has one, its anomaly "
    "map. The peak memory is that of a process that builds and scores, with all libraries."
)


@dataclass(frozen=True)
class Cost:
    """What one method costs on one class.

    ``rows`` is how many rows the model remembers, and ``size_mb`` their size in MB (10⁶ bytes). ``build_s`` are the
    seconds to fit it to layer outputs that are in the cache. ``median_ms`` and ``p95_ms`` are the median and the 95th
    percentile of the milliseconds from an image's file to its score and anomaly map. ``peak_mb`` is the peak memory, in
    MB, of a process that does nothing but build the model and score with it.
    """

    class_name: str
    method: str
    rows: float
    size_mb: float
    build_s: float
    median_ms: float
    p95_ms: float
    peak_mb: float

    @classmethod
    def of(cls, class_name: str, method: str, numbers: Mapping[str, float]) -> "Cost":
        """The costs that ``numbers`` holds, among others."""
        return cls(class_name, method, **{key: numbers[key] for key in COLUMNS})

    def numbers(self) -> dict[str, float]:
        """The costs by name."""
        return {key: getattr(self, key) for key in COLUMNS}


@dataclass(frozen=True)
class MeasuredModel:
    """A model, what it costs, and Val-clean, which gave it its threshold."""

    cost: Cost
    scorer: Scorer
    val: ScoredSet


def measure_costs(cells: Cells, setup: Setup) -> list[Cost]:
    """The costs of every class with every method, each with a network that is cut to what the method asks for.

    A cell of an earlier run is used only on the machine on which it was measured.
    """
    return [_cost(cells, setup.only(spec.method), name, spec) for name in setup.classes for spec in setup.detectors]


def _cost(cells: Cells, setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    bench = setup.bench(class_name)

    def compute() -> CellOutcome:
        fill_cache(bench, spec)
        return CellOutcome([], in_own_process(measure_cost, setup, class_name, spec).numbers())

    what = {"method": spec.method, "detector": plain(spec), "measured": "costs", "machine": machine(bench)}
    cell = cells.cell(f"{class_name} {spec.method} costs", [bench], what, compute)
    return Cost.of(class_name, spec.method, cell.metrics)


def machine(bench: Workbench) -> str:
    """The machine that costs are measured on."""
    return f"{platform.node()}, {device_name(bench.backbone.device)}"


def fill_cache(bench: Workbench, spec: DetectorSpec, sets: Sequence[str] = ()) -> None:
    """Compute what a model of this specification sees, and of further ``sets``: the process that is measured shall find
    it in the cache."""
    for name in ("train_clean", "val_clean", *spec.draws, *sets):
        bench.seen_by(spec).features(name)


def measure_cost(setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    """The cost of one method on one class, in this process."""
    return measure_model(setup.bench(class_name), spec).cost


def measure_model(bench: Workbench, spec: DetectorSpec) -> MeasuredModel:
    """A model of a class, built and timed in this process."""
    training = bench.training_set(spec)
    kind = detector_class(spec.method)
    kind.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        detector = kind.fit(replace(training, kept=Path(scratch)), spec).detector
        build_s = time.perf_counter() - started
    val = score_set(bench, detector, "val_clean")
    calibration = calibrate({val.images.name: val}, ThresholdSpec(val.images.name))
    scorer = Scorer(bench.backbone, detector, bench.image, calibration, {}, bench.opened.checked.reading)
    images = bench.opened.images("val_clean")
    times = [milliseconds_once(scorer, images, turn % len(images)) for turn in range(_WARM_UP + _IMAGES)]
    warm = times[_WARM_UP:]
    cost = Cost(
        bench.opened.data.class_name,
        spec.method,
        float(detector.rows),
        detector.megabytes,
        build_s,
        statistics.median(warm),
        float(np.percentile(warm, 95)),
        peak_megabytes(),
    )
    return MeasuredModel(cost, scorer, val)


def costs_table(costs: Sequence[Cost], title: str = "What the methods cost") -> Table:
    """The costs for people."""
    columns = (
        *(Column(name, number=False) for name in ("class", "method")),
        *(Column(heading) for heading, _ in COLUMNS.values()),
    )
    rows = tuple(
        (cost.class_name, cost.method, *(number_text(getattr(cost, key), few) for key, (_, few) in COLUMNS.items()))
        for cost in costs
    )
    return Table(title, columns, rows, NOTES)
