"""The protocol's four regimes of the shifted domain. Each class and method needs two models for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adtrack.config import DetectorSpec, ThresholdSpec, plain
from adtrack.evaluation.building import build
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import Cell, CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.setup import Setup

SETS = {"clean": ("val_clean", "val_shift", "test_clean", "test_shift"), "shift": ("val_shift", "test_shift")}


@dataclass(frozen=True)
class Regime:
    """Which domain the model is trained in ("clean" or "shift"), which image set gives its threshold, and which one
    tests it."""

    name: str
    train: str
    threshold: str
    test: str


REFERENCE = Regime("clean reference", train="clean", threshold="val_clean", test="test_clean")
REGIMES = (
    REFERENCE,
    Regime("none", train="clean", threshold="val_clean", test="test_shift"),
    Regime("threshold-only", train="clean", threshold="val_shift", test="test_shift"),
    Regime("full adaptation", train="shift", threshold="val_shift", test="test_shift"),
)


@dataclass(frozen=True)
class RegimeScores:
    """One regime with one method: the Test scores of every class at its threshold, and their pixel metrics."""

    method: str
    regime: Regime
    samples: Mapping[str, Sample]
    pixel: Mapping[str, Mapping[str, float]]


def model_cell(
    cells: Cells, bench: Workbench, spec: DetectorSpec, domain: str, sets: Sequence[str] | None = None
) -> Cell:
    """The model of one class trained in ``domain`` ("clean" or "shift"), with its scores of ``sets``."""
    names = tuple(sets or SETS[domain])
    threshold = ThresholdSpec(f"val_{domain}")

    def compute() -> CellOutcome:
        built = build(bench, spec, names, train=f"train_{domain}", threshold=threshold)
        numbers = {f"cost/{key}": value for key, value in built.costs.items()}
        return CellOutcome([(bench.opened.data.class_name, evaluation) for evaluation in built.evaluations], numbers)

    name = f"{bench.opened.data.class_name} {spec.method} from train_{domain}"
    what = {"method": spec.method, "detector": plain(spec), "train": f"train_{domain}", "sets": list(names)}
    return cells.cell(name, [bench], what, compute)


def measure_regimes(cells: Cells, setup: Setup) -> list[RegimeScores]:
    """All regimes of all classes and methods. There is one model for each class, method and domain of training."""
    models = {
        (spec.method, bench.opened.data.class_name, domain): model_cell(cells, bench, spec, domain)
        for bench, spec in setup.cells()
        for domain in ("clean", "shift")
    }
    return [
        _in_regime(method, regime, {name: models[method, name, regime.train] for name in setup.classes})
        for method in setup.methods
        for regime in REGIMES
    ]


def _in_regime(method: str, regime: Regime, models: Mapping[str, Cell]) -> RegimeScores:
    return RegimeScores(
        method,
        regime,
        {name: judged(cell, name, regime.threshold, regime.test) for name, cell in models.items()},
        {name: cell.pixel(name, regime.test) for name, cell in models.items()},
    )


def judged(cell: Cell, class_name: str, threshold_from: str, test: str) -> Sample:
    """The scores of one image set, judged at the best threshold of another one."""
    return cell.scores(class_name, test).at(cell.scores(class_name, threshold_from).threshold)
