"""All methods beside each other: what each finds on the same images, what it costs, and what it sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from adtrack.config import DetectorSpec, plain
from adtrack.data.imageset import TEST_SETS
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import Evaluation, ScoredSet
from adtrack.evaluation.measuring import measure_all, score_set
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import Cell, CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.efficiency import Cost, fill_cache, machine, measure_model
from adtrack.lab.method_pictures import PICTURE, Pictured, as_strip, overlays, pictured_images
from adtrack.lab.own_process import in_own_process
from adtrack.lab.setup import Setup, need_weights

_VAL = "val_clean"
_SETS = (_VAL, *TEST_SETS)


@dataclass(frozen=True)
class MethodScores:
    """One method: by set and class its scores, at the threshold of Val-clean, and its pixel metrics; by class its costs
    and the cell that holds its pictures.

    ``failure`` says why there are none; it is "" if there are some.
    """

    method: str
    samples: Mapping[str, Mapping[str, Sample]]
    pixel: Mapping[str, Mapping[str, Mapping[str, float]]]
    costs: Mapping[str, Cost]
    cells: Mapping[str, Cell]
    failure: str = ""


@dataclass(frozen=True)
class _Scored:
    """What the process that measures a model tells of an image set: everything in it can be sent to another process."""

    scores: np.ndarray
    threshold: float
    metrics: dict[str, float]


def measure_methods(cells: Cells, setup: Setup) -> list[MethodScores]:
    """Every method on every class. One that cannot be measured, say because the network has no layers that suit it, is
    a failure of its own and not the end of the experiment."""
    chosen = {name: pictured_images(setup.unseen().bench(name)) for name in setup.classes}
    return [_measured(cells, setup, spec, chosen) for spec in setup.detectors]


def _measured(cells: Cells, setup: Setup, spec: DetectorSpec, chosen: Mapping[str, Sequence[Pictured]]) -> MethodScores:
    found: dict[str, Cell] = {}
    try:
        own = replace(setup, detectors=(spec,)).settled()
        for class_name, some in chosen.items():
            found[class_name] = _cell(cells, own, class_name, some)
    except UserError as error:
        failure = str(error)
        cells.failed.append(f"{spec.method}: {failure}")
        return MethodScores(spec.method, {}, {}, {}, {}, failure)
    return MethodScores(
        spec.method,
        {test: {name: cell.judged(name, (_VAL,), test) for name, cell in found.items()} for test in TEST_SETS},
        {test: {name: cell.pixel(name, test) for name, cell in found.items()} for test in TEST_SETS},
        {name: Cost.of(name, spec.method, cell.metrics) for name, cell in found.items()},
        found,
    )


def _cell(cells: Cells, setup: Setup, class_name: str, chosen: Sequence[Pictured]) -> Cell:
    """The only method of the setup on one class, measured in a process of its own: its scores, its costs, and how it
    sees the ``chosen`` images."""
    bench, spec = setup.bench(class_name), setup.detectors[0]
    need_weights(bench)

    def compute() -> CellOutcome:
        fill_cache(bench, spec, TEST_SETS)
        cost, scored, pictures = in_own_process(_measure, setup, class_name, chosen)
        evaluations = [(class_name, _evaluation(bench, name, one)) for name, one in scored.items()]
        named = {} if pictures is None else {PICTURE: as_strip(pictures)}
        return CellOutcome(evaluations, cost.numbers(), named)

    what = {
        "method": spec.method,
        "detector": plain(spec),
        "train": "train_clean",
        "sets": list(_SETS),
        "pictured": [bench.opened.images(name).records[index].path for name, index in chosen],
        "machine": machine(bench),
    }
    return cells.cell(f"{class_name} {spec.method}", [bench], what, compute)


def _evaluation(bench: Workbench, name: str, found: _Scored) -> Evaluation:
    scored = ScoredSet(bench.opened.images(name), found.scores, None)
    return Evaluation(scored, found.threshold, found.metrics)


def _measure(
    setup: Setup, class_name: str, chosen: Sequence[Pictured]
) -> tuple[Cost, dict[str, _Scored], list[np.ndarray] | None]:
    """The only method of the setup on one class, measured in this process."""
    bench, spec = setup.bench(class_name), setup.detectors[0]
    model = measure_model(bench, spec)
    tests = (score_set(bench, model.scorer.detector, name) for name in TEST_SETS)
    evaluations = measure_all(bench, chain([model.val], tests), model.scorer.calibration)
    scored = {one.name: _Scored(one.scored.scores, one.threshold, one.metrics) for one in evaluations}
    return model.cost, scored, overlays(bench, model.scorer, chosen)
