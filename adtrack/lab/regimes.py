"""The four regimes of the shifted domain, made of two banks a class and method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adtrack.config import DetectorSpec, plain
from adtrack.evaluation.building import build
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cells import Cell, Cells, Found
from adtrack.lab.setup import Setup

SETS = {"clean": ("val_clean", "val_shift", "test_clean", "test_shift"), "shift": ("val_shift", "test_shift")}


@dataclass(frozen=True)
class Regime:
    """Where bank and threshold come from, and where they are put to the test."""

    name: str
    bank: str
    threshold: str
    test: str


REFERENCE = Regime("clean reference", bank="clean", threshold="val_clean", test="test_clean")
REGIMES = (
    REFERENCE,
    Regime("none", bank="clean", threshold="val_clean", test="test_shift"),
    Regime("threshold-only", bank="clean", threshold="val_shift", test="test_shift"),
    Regime("full adaptation", bank="shift", threshold="val_shift", test="test_shift"),
)


@dataclass(frozen=True)
class Measured:
    """One regime with one method: every class's Test scores at its threshold, and its pixel metrics."""

    method: str
    regime: Regime
    samples: Mapping[str, Sample]
    pixel: Mapping[str, Mapping[str, float]]


def bank_cell(
    cells: Cells, bench: Workbench, spec: DetectorSpec, domain: str, sets: Sequence[str] | None = None
) -> Cell:
    """The bank of one class built from Train in ``domain`` ("clean" or "shift"), with its scores of ``sets``."""
    names = tuple(sets or SETS[domain])
    calibrate_on = f"val_{domain}"

    def compute() -> Found:
        built = build(bench, spec, names, train=f"train_{domain}", calibrate_on=calibrate_on)
        numbers = {f"cost/{key}": value for key, value in built.costs.items()}
        return Found([(bench.opened.data.class_name, evaluation) for evaluation in built.evaluations], numbers)

    name = f"{bench.opened.data.class_name} {spec.method} from train_{domain}"
    what = {"method": spec.method, "detector": plain(spec), "train": f"train_{domain}", "sets": list(names)}
    return cells.cell(name, [bench], what, compute)


def measure_regimes(cells: Cells, setup: Setup) -> list[Measured]:
    """All regimes of all classes and methods, from one bank per class, method and training domain."""
    banks = {
        (spec.method, bench.opened.data.class_name, domain): bank_cell(cells, bench, spec, domain)
        for bench, spec in setup.cells()
        for domain in ("clean", "shift")
    }
    return [_measured(method, regime, banks, setup.classes) for method in setup.methods for regime in REGIMES]


def _measured(
    method: str, regime: Regime, banks: Mapping[tuple[str, str, str], Cell], classes: Sequence[str]
) -> Measured:
    cells = {name: banks[method, name, regime.bank] for name in classes}
    return Measured(
        method,
        regime,
        {name: judged(cell, name, regime.threshold, regime.test) for name, cell in cells.items()},
        {name: cell.pixel(name, regime.test) for name, cell in cells.items()},
    )


def judged(cell: Cell, class_name: str, threshold_from: str, test: str) -> Sample:
    """The scores of a set at the threshold of another one."""
    return cell.scores(class_name, test).at(cell.scores(class_name, threshold_from).threshold)
