"""The same methods behind several networks: what each finds, and what it costs."""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch

from adtrack.config import VIEW, DetectorSpec, LayersSpec, plain
from adtrack.data.imageset import TEST_SETS
from adtrack.errors import UserError
from adtrack.evaluation.building import climb
from adtrack.evaluation.evaluate import evaluate
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import Cell, CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.networks import NamedNetwork
from adtrack.lab.setup import Setup, need_weights
from adtrack.tracking.made_with import device_name

_VAL = "val_clean"
_PASSES = 30  # of one view; the fastest shows the network, slower ones what else the machine was doing


@dataclass(frozen=True)
class NetworkCost:
    """What a model with a network costs: the channels of its layers together, the model's rows and MB (10⁶ bytes), and
    the milliseconds of the network's pass over one view."""

    dimensions: float
    rows: float
    megabytes: float
    pass_ms: float


@dataclass(frozen=True)
class NetworkScores:
    """One method behind one network: the scores of every class by set, at the threshold of Val-clean, and the costs.

    ``failure`` says why there are none; it is "" if there are some.
    """

    method: str
    network: str
    samples: Mapping[str, Mapping[str, Sample]]
    costs: Mapping[str, NetworkCost]
    failure: str = ""


def measure_networks(cells: Cells, setup: Setup, networks: Sequence[NamedNetwork]) -> list[NetworkScores]:
    """Every method behind every network. One that cannot be measured, say because its weights are nowhere to be had, is
    a failure of its own and not the end of the experiment."""
    names = dict.fromkeys(network.name for network in networks)
    return [_measured(cells, setup, name, networks, spec) for spec in setup.detectors for name in names]


def _measured(
    cells: Cells, setup: Setup, network: str, networks: Sequence[NamedNetwork], spec: DetectorSpec
) -> NetworkScores:
    """One method behind the networks of this name."""
    samples: dict[str, dict[str, Sample]] = {name: {} for name in TEST_SETS}
    costs: dict[str, NetworkCost] = {}
    try:
        for class_name in setup.classes:
            chosen = next(one for one in networks if one.name == network and one.class_name in ("", class_name))
            own = behind(setup, chosen, spec)
            cell = _cell(cells, own.bench(class_name), own.detectors[0], network)
            costs[class_name] = NetworkCost(*(cell.metrics[f"cost/{field.name}"] for field in fields(NetworkCost)))
            for name in TEST_SETS:
                samples[name][class_name] = cell.judged(class_name, (_VAL,), name)
    except UserError as error:
        cells.failed.append(f"{spec.method}, network {network}: {error}")
        return NetworkScores(spec.method, network, {}, {}, str(error))
    return NetworkScores(spec.method, network, samples, costs)


def behind(setup: Setup, network: NamedNetwork, spec: DetectorSpec) -> Setup:
    """The setup of one method behind one network, with the layers that the network names, the method's, or those that
    suit both."""
    if network.layers and isinstance(spec, LayersSpec):
        spec = replace(spec, layers=network.layers)
    return replace(setup, backbone=network.backbone, detectors=(spec,)).settled()


def _cell(cells: Cells, bench: Workbench, spec: DetectorSpec, network: str) -> Cell:
    """A model of Train-clean with its scores of Val-clean and of ``TEST_SETS``, and its costs on this machine.

    UserError: the network has random weights because those that were asked for could not be had.
    """
    need_weights(bench)
    class_name = bench.opened.data.class_name

    def compute() -> CellOutcome:
        detector = next(climb(bench, [spec])).detector
        scored = [score_set(bench, detector, name, patches=False) for name in (_VAL, *TEST_SETS)]
        threshold = f1_threshold(scored[0].scores, scored[0].images.labels)
        evaluations = [(class_name, evaluate(one, None, bench.image, threshold)) for one in scored]
        cost = NetworkCost(_channels(bench, spec), detector.rows, detector.megabytes, pass_milliseconds(bench))
        return CellOutcome(evaluations, {f"cost/{key}": float(value) for key, value in plain(cost).items()})

    what = {
        "method": spec.method,
        "detector": plain(spec),
        "train": "train_clean",
        "sets": [_VAL, *TEST_SETS],
        "machine": f"{platform.node()}, {device_name(bench.backbone.device)}",
    }
    return cells.cell(f"{class_name} {spec.method}, network {network}", [bench], what, compute)


def _channels(bench: Workbench, spec: DetectorSpec) -> int:
    outputs = bench.features(_VAL).chunk(0, 1, [name for name in spec.inputs if name != VIEW])
    return sum(output.shape[1] for output in outputs.values())


def pass_milliseconds(bench: Workbench) -> float:
    """The fastest of several passes of the network over one view.

    On the CPU, where a pass has one thread, this is the time of the processor: other programs make it longer, but less.
    """
    clock = time.process_time if bench.backbone.device.type == "cpu" else time.perf_counter
    view = torch.zeros(1, 3, bench.image.size, bench.image.size)
    found = []
    for _ in range(_PASSES):
        started = clock()
        outputs = bench.backbone(view)
        for output in outputs.values():
            output.sum().item()  # a GPU has finished once its numbers are here
        found.append(1000 * (clock() - started))
    return min(found)
