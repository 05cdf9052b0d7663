"""How models hold as the shift grows from none to twice the protocol's."""

from collections.abc import Mapping
from dataclasses import dataclass

from adtrack.evaluation.resampling import Sample
from adtrack.lab.cells import Cells
from adtrack.lab.drift import drift_cell, models
from adtrack.lab.setup import Setup

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class SeverityScores:
    """The Test scores of every class at one severity: of the plain model of a method, or of the one built for drift."""

    method: str
    model: str
    severity: float
    samples: Mapping[str, Sample]


def shifted(severity: float) -> str:
    """The name of Test-shift at a severity."""
    return "test_shift" if severity == 1 else f"test_shift@{severity:g}"


def measure_severities(cells: Cells, setup: Setup) -> list[SeverityScores]:
    """All severities with all methods. Each class has one model of a kind, and its threshold is never moved."""
    sets = [shifted(severity) for severity in SEVERITIES]
    measured = {
        (spec.method, model.name, bench.opened.data.class_name): drift_cell(cells, bench, model, sets)
        for bench, spec in setup.cells()
        for model in models(spec)
    }
    return [
        SeverityScores(
            spec.method,
            model.name,
            severity,
            {
                name: measured[spec.method, model.name, name].judged(name, model.threshold_from, shifted(severity))
                for name in setup.classes
            },
        )
        for spec in setup.detectors
        for model in models(spec)
        for severity in SEVERITIES
    ]
