"""Severity: none of it is the clean set, one is the protocol's, and each step is measured with the same models."""

import numpy as np
import pytest

from adtrack.lab import severity
from adtrack.lab.cells import Cells
from adtrack.lab.drift import BUILT, PLAIN
from adtrack.lab.regimes import model_cell
from adtrack.lab.setup import Setup
from adtrack.lab.severity import measure_severities, shifted


def test_names_are_those_of_image_sets() -> None:
    assert [shifted(value) for value in (0.0, 0.25, 1.0, 2.0)] == [
        "test_shift@0",
        "test_shift@0.25",
        "test_shift",
        "test_shift@2",
    ]


def test_severities_begin_at_the_clean_set_and_pass_through_the_protocols(
    cells: Cells, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(severity, "SEVERITIES", (0.0, 1.0, 2.0))
    measured = measure_severities(cells, setup)
    assert [(one.method, one.model) for one in measured[::3]] == [
        (method, model) for method in ("patchcore", "padim") for model in (PLAIN, BUILT)
    ]
    assert len(cells.used) == 4  # a plain model and one for drift for each method
    reference = model_cell(cells, setup.bench("part"), setup.detectors[0], "clean")
    none, protocol, double = (one.samples["part"] for one in measured[:3])
    assert np.array_equal(none.scores, reference.scores("part", "test_clean").scores)
    assert np.array_equal(protocol.scores, reference.scores("part", "test_shift").scores)
    assert not np.array_equal(double.scores, protocol.scores)
    threshold = reference.scores("part", "val_clean").threshold
    assert [one.samples["part"].threshold for one in measured[:3]] == [threshold] * 3
    built = [one.samples["part"] for one in measured[3:6]]
    assert len({one.threshold for one in built} - {threshold}) == 1
    assert not any(
        np.array_equal(one.scores, other.scores) for one, other in zip(built, (none, protocol), strict=False)
    )
