"""How a model that was trained on clean images holds as the shift grows from none to twice the protocol's."""

from collections.abc import Mapping
from dataclasses import dataclass

from adtrack.evaluation.resampling import Sample
from adtrack.lab.cells import Cells
from adtrack.lab.regimes import judged, model_cell
from adtrack.lab.setup import Setup

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
THRESHOLD_FROM = "val_clean"


@dataclass(frozen=True)
class SeverityScores:
    """The Test scores of every class with one method at one severity, judged at the threshold of Val-clean."""

    method: str
    severity: float
    samples: Mapping[str, Sample]


def shifted(severity: float) -> str:
    """The name of Test-shift at a severity."""
    return "test_shift" if severity == 1 else f"test_shift@{severity:g}"


def measure_severities(cells: Cells, setup: Setup) -> list[SeverityScores]:
    """All severities with all methods. There is one model for each class and method."""
    sets = (THRESHOLD_FROM, *(shifted(severity) for severity in SEVERITIES))
    models = {
        (spec.method, bench.opened.data.class_name): model_cell(cells, bench, spec, "clean", sets)
        for bench, spec in setup.cells()
    }
    return [
        SeverityScores(
            method,
            severity,
            {name: judged(models[method, name], name, THRESHOLD_FROM, shifted(severity)) for name in setup.classes},
        )
        for method in setup.methods
        for severity in SEVERITIES
    ]
