"""Costs: measured in a process of its own, and taken over only on the machine that they were measured on."""

import pytest

from adtrack.lab import efficiency
from adtrack.lab.cells import Cells
from adtrack.lab.efficiency import measure_cost, measure_costs
from adtrack.lab.setup import Setup


def test_costs_of_a_method(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficiency, "_IMAGES", 6)
    bank, gaussians = (measure_cost(setup, "part", spec) for spec in setup.detectors)
    positions = 8 * 8
    rows = round(0.1 * 8 * positions)
    assert bank.size_mb == pytest.approx(rows * 128 * 4 / 1e6)
    assert gaussians.size_mb == pytest.approx((positions * 12 * 12 * 4 + positions * 12 * 4 + 12 * 8) / 1e6)
    for cost in (bank, gaussians):
        assert 0 < cost.median_ms <= cost.p95_ms < 60_000 and cost.build_s > 0 and cost.peak_mb > 50


@pytest.mark.slow
def test_every_method_is_measured_in_a_process_of_its_own(cells: Cells, setup: Setup) -> None:
    costs = measure_costs(cells, setup)
    assert [(cost.class_name, cost.method) for cost in costs] == [("part", "patchcore"), ("part", "padim")]
    assert [cell.reused for cell in cells.used] == [False, False]
    assert measure_costs(cells, setup) == costs and [cell.reused for cell in cells.used[2:]] == [True, True]
