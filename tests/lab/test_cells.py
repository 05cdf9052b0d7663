"""Cells: measured once, found again by what their numbers depend on, and never by anything less."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest

from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation.building import build
from adtrack.lab import cells as cells_module
from adtrack.lab.cell import CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.regimes import model_cell
from adtrack.lab.setup import Setup
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.places import local_folder
from adtrack.tracking.store import search_runs


def finished_cells() -> int:
    return len(search_runs("tags.`adtrack.role` = 'cell' and attributes.status = 'FINISHED'"))


def test_a_cell_is_a_child_run_and_is_measured_once(
    cells: Cells, setup: Setup, said: list[str], fresh: Callable[[], Cells]
) -> None:
    bench, spec = setup.bench("part"), setup.detectors[0]
    first = model_cell(cells, bench, spec, "clean")
    run = mlflow.get_run(first.run_id)
    assert not first.reused and run.data.tags["mlflow.parentRunId"] == cells.parent.run_id
    assert run.data.tags["adtrack.class"] == "part" and run.data.tags["adtrack.split_digest"] == bench.opened.digest
    again = model_cell(cells, setup.bench("part"), spec, "clean")
    assert again.reused and again.run_id == first.run_id and finished_cells() == 1
    assert f"taken from run {first.run_id}" in said[-1]
    assert again.sets.keys() == first.sets.keys()
    for key, one in first.sets.items():
        assert np.array_equal(one.scores, again.sets[key].scores) and one.paths == again.sets[key].paths
    assert model_cell(fresh(), bench, spec, "clean").reused


def test_scores_come_back_bit_for_bit(cells: Cells, setup: Setup) -> None:
    bench, spec = setup.bench("part"), setup.detectors[0]
    cell = model_cell(cells, bench, spec, "clean", ("val_clean", "test_shift"))
    built = build(bench, spec, ("val_clean", "test_shift"), threshold=ThresholdSpec("val_clean"))
    for evaluation in built.evaluations:
        read = cell.scores("part", evaluation.name)
        assert np.array_equal(read.scores, evaluation.scored.scores)
        assert np.array_equal(read.labels, evaluation.scored.images.labels)
    assert cell.scores("part", "val_clean").threshold == built.evaluations[0].threshold


def test_whatever_changes_the_numbers_changes_the_cell(
    cells: Cells, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = setup.detectors[0]
    assert isinstance(spec, PatchCoreSpec)
    model_cell(cells, setup.bench("part"), spec, "clean", ("val_clean",))
    others = [
        (setup, replace(spec, patch_size=1), ("val_clean",)),
        (setup, spec, ("val_clean", "test_clean")),
        (replace(setup, seed=7), spec, ("val_clean",)),
        (replace(setup, image=replace(setup.image, crop=32)), spec, ("val_clean",)),
        (replace(setup, backbone=replace(setup.backbone, seed=1)), spec, ("val_clean",)),
    ]
    for number, (one, detector, sets) in enumerate(others, start=2):
        assert not model_cell(cells, one.bench("part"), detector, "clean", sets).reused
        assert finished_cells() == number
    monkeypatch.setattr(cells_module, "code_version", lambda: "other code")
    assert not model_cell(cells, setup.bench("part"), spec, "clean", ("val_clean",)).reused


def test_an_interrupted_cell_is_measured_again_and_finished_ones_are_not(cells: Cells, setup: Setup) -> None:
    bench, spec = setup.bench("part"), setup.detectors[0]
    model_cell(cells, bench, spec, "clean", ("val_clean",))

    def interrupted() -> CellOutcome:
        raise KeyboardInterrupt

    what = {"method": "patchcore", "test": "interrupted"}
    with pytest.raises(KeyboardInterrupt):
        cells.cell("second", [bench], what, interrupted)
    assert [run.info.run_name for run in search_runs("attributes.status = 'KILLED'")] == ["second"]
    assert model_cell(cells, bench, spec, "clean", ("val_clean",)).reused
    assert not cells.cell("second", [bench], what, lambda: CellOutcome([], {"number": 1.5})).reused
    assert cells.cell("second", [bench], what, interrupted).metrics["number"] == 1.5


def write_a_huge_field(file: Path) -> None:
    """More than the 131,072 characters that Python's csv takes as one."""
    head, _, rest = file.read_text().partition("\n")
    file.write_text(f"{head}\n{'x' * 140_000},{rest}")


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda file: file.write_text("nothing,of,this\n1,2,3\n"), write_a_huge_field]
)
def test_a_cell_whose_scores_have_gone_is_measured_again(
    cells: Cells, setup: Setup, said: list[str], spoil: Callable[[Path], object]
) -> None:
    bench, spec = setup.bench("part"), setup.detectors[0]
    first = model_cell(cells, bench, spec, "clean", ("val_clean",))
    spoil(local_folder(mlflow.get_run(first.run_id).info.artifact_uri) / "scores.csv")
    again = model_cell(cells, bench, spec, "clean", ("val_clean",))
    assert not again.reused and again.run_id != first.run_id
    scores = [cell.scores("part", "val_clean").scores for cell in (first, again)]
    assert np.array_equal(*scores)
    assert any(f"the scores of run {first.run_id} have gone" in text for text in said)
    assert model_cell(cells, bench, spec, "clean", ("val_clean",)).run_id == again.run_id
