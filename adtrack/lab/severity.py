"""How a bank built on clean images holds as the shift grows from none to twice the protocol's."""

from collections.abc import Mapping
from dataclasses import dataclass

from adtrack.evaluation.resampling import Sample
from adtrack.lab.cells import Cells
from adtrack.lab.regimes import bank_cell, judged
from adtrack.lab.setup import Setup

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
THRESHOLD_FROM = "val_clean"


@dataclass(frozen=True)
class AtSeverity:
    """One method's Test scores of every class at one severity, judged at the threshold of Val-clean."""

    method: str
    severity: float
    samples: Mapping[str, Sample]


def shifted(severity: float) -> str:
    """The name of Test-shift at a severity."""
    return "test_shift" if severity == 1 else f"test_shift@{severity:g}"


def measure_severities(cells: Cells, setup: Setup) -> list[AtSeverity]:
    """All severities of all methods, from one bank per class and method."""
    sets = (THRESHOLD_FROM, *(shifted(severity) for severity in SEVERITIES))
    banks = {
        (spec.method, bench.opened.data.class_name): bank_cell(cells, bench, spec, "clean", sets)
        for bench, spec in setup.cells()
    }
    return [
        AtSeverity(
            method,
            severity,
            {name: judged(banks[method, name], name, THRESHOLD_FROM, shifted(severity)) for name in setup.classes},
        )
        for method in setup.methods
        for severity in SEVERITIES
    ]
