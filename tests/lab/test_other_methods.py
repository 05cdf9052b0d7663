"""Experiments with methods of any kind: without anomaly maps, and of the views alone."""

import math
from dataclasses import replace

import pytest

from adtrack.detectors import DETECTORS
from adtrack.lab import efficiency, severity
from adtrack.lab.cells import Cells
from adtrack.lab.efficiency import measure_cost
from adtrack.lab.regimes import REGIMES, measure_regimes
from adtrack.lab.rows import Row, lines
from adtrack.lab.setup import Setup
from adtrack.lab.severity import measure_severities
from adtrack.lab.tables import lines_table, maps_note
from adtrack.lab.unified import measure_unified
from tests.another_method import FarImage, FarImageSpec, FarView, FarViewSpec


@pytest.fixture
def others(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """A method without maps and one of the views, instead of the two usual ones."""
    monkeypatch.setitem(DETECTORS, "far-image", FarImage)
    monkeypatch.setitem(DETECTORS, "far-view", FarView)
    return replace(setup, detectors=(FarImageSpec(1.0, "layer1"), FarViewSpec()))


def test_every_experiment_measures_them(cells: Cells, others: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(severity, "SEVERITIES", (0.0, 1.0))
    measured = measure_regimes(cells, others)
    plain = [regime for regime in REGIMES if regime.train != "drift"]  # they have no settings against drift
    assert [(one.method, one.regime) for one in measured] == [(m, r) for m in ("far-image", "far-view") for r in plain]
    for one in measured:
        assert math.isnan(one.pixel["part"]["pixel_auroc"]) == (one.method == "far-image")
    assert [one.method for one in measure_severities(cells, others)] == ["far-image"] * 2 + ["far-view"] * 2
    settings, shortcuts = measure_unified(cells, others)
    assert {one.method for one in settings} == {"far-image", "far-view"}
    assert all(math.isnan(share) for one in shortcuts for share in one.foreign)

    found = lines([Row({"method": one.method}, one.samples, pixel=one.pixel) for one in measured], ("f1",))
    table = lines_table("Title", found, ("f1",), pixel=("pixel_auroc",), notes=maps_note(others.methods))
    assert {row[-1] for row in table.rows if row[1] == "far-image"} == {"–"}
    assert table.notes.startswith("far-image scores whole images only, so it has no pixel metrics.")
    assert maps_note(("far-view",)) == ""


def test_a_method_of_the_views_costs_no_network(others: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficiency, "_IMAGES", 2)
    alone = others.only("far-view")
    assert alone.bench("part").backbone.trunk.network == "none"
    cost = measure_cost(alone, "part", alone.detectors[0])
    assert cost.size_mb == pytest.approx(3 * 8 / 1e6) and cost.median_ms > 0
