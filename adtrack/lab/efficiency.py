"""What methods cost, measured the same way for all: in a process of its own, warm, one after the other."""

import multiprocessing
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from adtrack.config import DetectorSpec, plain
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.calibrating import calibrate
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.stopwatch import milliseconds_once
from adtrack.lab.cells import Cells, Found
from adtrack.lab.memory import peak_megabytes
from adtrack.lab.setup import Setup
from adtrack.tracking.made_with import device_name

_WARM_UP = 5
_IMAGES = 60


@dataclass(frozen=True)
class Cost:
    """Size in MB (10⁶ bytes), seconds to build from cached layer outputs, milliseconds from file to score and map
    (median and 95th percentile), and the peak memory in MB of a process that does nothing but build and score."""

    class_name: str
    method: str
    size_mb: float
    build_s: float
    median_ms: float
    p95_ms: float
    peak_mb: float


def measure_costs(cells: Cells, setup: Setup) -> list[Cost]:
    """Every class with every method. A cell is taken over from an earlier run only on the machine that it was measured
    on."""
    costs = []
    for bench, spec in setup.cells():
        for name in ("train_clean", "val_clean"):
            bench.features(name)  # so that every method finds them in the cache

        def compute(class_name: str = bench.opened.data.class_name, spec: DetectorSpec = spec) -> Found:
            cost = _in_a_new_process(setup, class_name, spec)
            return Found([], {key: value for key, value in asdict(cost).items() if isinstance(value, float)})

        what = {
            "method": spec.method,
            "detector": plain(spec),
            "measured": "costs",
            "machine": f"{platform.node()}, {device_name(bench.backbone.device)}",
        }
        cell = cells.cell(f"{bench.opened.data.class_name} {spec.method} costs", [bench], what, compute)
        numbers = {key: cell.metrics[key] for key in ("size_mb", "build_s", "median_ms", "p95_ms", "peak_mb")}
        costs.append(Cost(bench.opened.data.class_name, spec.method, **numbers))
    return costs


def _in_a_new_process(setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    # A fresh process: its peak memory is this method's, and nothing that another one has warmed up helps it.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure_cost, setup, class_name, spec).result()


def measure_cost(setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    """The cost of one method on one class, in this process."""
    bench = setup.bench(class_name)
    train = bench.features("train_clean")
    kind = detector_class(spec.method)
    kind.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        detector = kind.fit(TrainingSet(train, spec.inputs, Path(scratch)), spec).detector
        build_s = time.perf_counter() - started
    calibration = calibrate(score_set(bench, detector, "val_clean"))
    scorer = Scorer(bench.backbone, detector, bench.image, calibration, {}, bench.opened.checked.reading)
    images = bench.opened.images("val_clean")
    times = [milliseconds_once(scorer, images, turn % len(images)) for turn in range(_WARM_UP + _IMAGES)]
    warm = times[_WARM_UP:]
    return Cost(
        class_name,
        spec.method,
        detector.megabytes,
        build_s,
        statistics.median(warm),
        float(np.percentile(warm, 95)),
        peak_megabytes(),
    )
