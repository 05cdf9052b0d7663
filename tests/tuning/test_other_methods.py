"""Studies of methods that are added: their settings are searched, shown and exported; without maps, no pixels count."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from adtrack.detectors import DETECTORS
from adtrack.tracking.store import search_runs
from adtrack.tracking.tags import NOTE, ROLE, SEARCHED
from tests.another_method import Far, FarImage, FarView

ADDED = {"far": Far, "far-image": FarImage, "far-view": FarView}


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in ADDED.items():
        monkeypatch.setitem(DETECTORS, name, kind)


def of_role(role: str) -> list[Any]:
    return [run for run in search_runs("") if run.data.tags[ROLE] == role]


@pytest.mark.slow
@pytest.mark.parametrize("method", ADDED)
def test_a_method_that_is_added_is_tuned(
    method: str, workplace: Path, adtrack: Callable[..., Any], part: tuple[str, ...]
) -> None:
    asked = ("tune", *part, "--method", method, "--sampler", "grid", "--space", "power=2,0.5", "--trials", 2)
    done = adtrack(*asked)
    assert done.code == 0, done.err
    layer = "" if method == "far-view" else ", far layer layer1"
    assert f"power 2{layer}" in done.out and "2 of 2 done" in done.out
    assert ("No pixel metrics: Far scores whole images only." in done.out) == (method == "far-image")
    trials, (study,) = of_role("trial"), of_role("study")
    searched = "power" if method == "far-view" else "power,far_layer"
    assert {run.data.tags[SEARCHED] for run in trials} == {searched} and len(trials) == 2
    assert {run.data.params["method"] for run in [*trials, study]} == {method}
    pixels = [name for run in trials for name in run.data.metrics if "pixel" in name]
    assert bool(pixels) == ADDED[method].has_maps and "power 2" in study.data.tags[NOTE]
    page = mlflow.artifacts.load_text(f"runs:/{study.info.run_id}/report.html")
    assert "with none" not in page and ("with resnet18" in page) == (method != "far-view")
    assert "Power" in page and "Coreset" not in page and ("Far layer" in page) == bool(layer)
    again = adtrack(*asked)
    assert again.code == 0 and "goes on: 2 of 2 trials are finished" in again.out


@pytest.mark.slow
def test_each_study_is_exported_with_the_settings_of_its_method(
    own_study: Any, adtrack: Callable[..., Any], part: tuple[str, ...]
) -> None:
    one_cell = ("--space", "power=2;far_layer=layer1")
    done = adtrack("tune", *part, "--method", "far-image", *one_cell, "--study", "far", "--trials", 1)
    assert done.code == 0, done.err
    with Path(_exported(adtrack, "far")).open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["method"], row["power"], row["far_layer"]) == ("far-image", "2.0", "layer1") and "layers" not in row
    with Path(_exported(adtrack, own_study.name)).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["method"] for row in rows} == {"patchcore"} and "power" not in rows[0] and rows[0]["patch_size"]


def _exported(adtrack: Callable[..., Any], study: str) -> str:
    done = adtrack("export", "--study", study, "--out", study)
    assert done.code == 0, done.err
    return f"{study}/best_trials.csv"


def test_a_method_without_maps_cannot_be_tuned_by_pixels(
    workplace: Path, adtrack: Callable[..., Any], part: tuple[str, ...]
) -> None:
    refused = adtrack("tune", *part, "--method", "far-image", "--metric", "pixel_auroc")
    assert refused.code == 2
    assert "metric pixel_auroc needs anomaly maps, but Far scores whole images only." in refused.err
    assert search_runs("") == []
