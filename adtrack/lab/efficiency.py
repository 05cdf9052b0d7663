"""What methods cost. Each is measured in the same way: in a process of its own, once it is warm, and one at a time."""

import multiprocessing
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from adtrack.config import DetectorSpec, plain
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.calibrating import calibrate
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.stopwatch import milliseconds_once
from adtrack.lab.cell import CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.memory import peak_megabytes
from adtrack.lab.setup import Setup
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.made_with import device_name

_WARM_UP = 5
_IMAGES = 60


@dataclass(frozen=True)
class Cost:
    """What one method costs on one class.

    ``size_mb`` is the size of what the model remembers, in MB (10⁶ bytes). ``build_s`` are the seconds to fit it to
    layer outputs that are in the cache. ``median_ms`` and ``p95_ms`` are the median and the 95th percentile of the
    milliseconds from an image's file to its score and anomaly map. ``peak_mb`` is the peak memory, in MB, of a process
    that does nothing but build the model and score with it.
    """

    class_name: str
    method: str
    size_mb: float
    build_s: float
    median_ms: float
    p95_ms: float
    peak_mb: float


def measure_costs(cells: Cells, setup: Setup) -> list[Cost]:
    """The costs of every class with every method, each with a network that is cut to what the method asks for.

    A cell of an earlier run is used only on the machine on which it was measured.
    """
    return [_cost(cells, setup.only(spec.method), name, spec) for name in setup.classes for spec in setup.detectors]


def _cost(cells: Cells, setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    bench = setup.bench(class_name)

    def compute() -> CellOutcome:
        for name in ("train_clean", "val_clean", *spec.draws):
            bench.seen_by(spec).features(name)  # the process that is measured shall find them in the cache
        cost = _in_a_new_process(setup, class_name, spec)
        return CellOutcome([], {key: value for key, value in asdict(cost).items() if isinstance(value, float)})

    what = {
        "method": spec.method,
        "detector": plain(spec),
        "measured": "costs",
        "machine": f"{platform.node()}, {device_name(bench.backbone.device)}",
    }
    cell = cells.cell(f"{class_name} {spec.method} costs", [bench], what, compute)
    numbers = {key: cell.metrics[key] for key in ("size_mb", "build_s", "median_ms", "p95_ms", "peak_mb")}
    return Cost(class_name, spec.method, **numbers)


def _in_a_new_process(setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    # The peak memory of a fresh process is this method's own, and no other method has warmed anything up for it.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure_cost, setup, class_name, spec).result()


def measure_cost(setup: Setup, class_name: str, spec: DetectorSpec) -> Cost:
    """The cost of one method on one class, in this process."""
    bench = setup.bench(class_name)
    training = bench.training_set(spec)
    kind = detector_class(spec.method)
    kind.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        detector = kind.fit(replace(training, kept=Path(scratch)), spec).detector
        build_s = time.perf_counter() - started
    calibration = calibrate({"val_clean": score_set(bench, detector, "val_clean")}, ThresholdSpec("val_clean"))
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
