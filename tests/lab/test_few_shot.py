"""Few images: models of several choices of them, beside the model of all; their means and spread."""

import math

import numpy as np
import pytest

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.intervals import Estimate
from adtrack.lab import few_shot
from adtrack.lab.cells import Cells
from adtrack.lab.few_shot import FewShotModel, few_shot_lines, measure_few_shots
from adtrack.lab.regimes import model_cell
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup


def test_models_of_few_images_stand_beside_that_of_all(
    cells: Cells, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few_shot, "SHOTS", (1, 4, 8))
    monkeypatch.setattr(few_shot, "CHOICES", 2)
    models = measure_few_shots(cells, setup)
    found = [(one.method, one.images, one.is_all, one.choice) for one in models]
    few = [(1, False, 0), (1, False, 1), (4, False, 0), (4, False, 1), (8, True, 0)]  # Train has 8: that is all of it
    assert found == [("patchcore", *one) for one in few] + [("padim", *one) for one in few[2:]]  # it needs two images
    fraction = setup.detectors[0].coreset_fraction
    assert [one.rows for one in models[:5]] == [round(fraction * 8 * 64)] * 5  # the same size from fewer images
    assert len({cell.run_id for cell in cells.used}) == 8
    one, other = (cell.scores("part", "test_clean").scores for cell in cells.used[:2])
    assert not np.array_equal(one, other)  # they have learned from different images
    whole = model_cell(cells, setup.bench("part"), setup.detectors[0], "clean", TEST_SETS)
    for name in TEST_SETS:
        assert models[4].auroc[name] == whole.metrics[f"part/{name}/image_auroc"]


def test_a_model_never_has_more_rows_than_its_images_have_patches(setup: Setup) -> None:
    spec = setup.detectors[0]
    assert spec.for_fewer(0.5).coreset_fraction == 2 * spec.coreset_fraction
    assert spec.for_fewer(0.01).coreset_fraction == 1
    assert setup.detectors[1].for_fewer(0.01) == setup.detectors[1]


def model(class_name: str, images: int, choice: int, value: float, is_all: bool = False) -> FewShotModel:
    return FewShotModel(class_name, "patchcore", images, is_all, choice, 10 * images, dict.fromkeys(TEST_SETS, value))


def test_lines_are_means_over_choices_with_the_lowest_and_the_highest() -> None:
    values = {("a", 1): (0.5, 0.9, 0.7), ("b", 1): (0.7, 0.3, 0.5), ("a", 5): (0.8, 0.9, 1.0)}
    models = [
        model(name, images, choice, value)
        for (name, images), some in values.items()
        for choice, value in enumerate(some)
    ]
    models += [model("a", 10, 0, 1.0, is_all=True), model("b", 5, 0, 0.8, is_all=True)]
    lines = few_shot_lines(models)
    told = [(line.class_name, line.words, line.rows) for line in lines]
    assert told[:3] == [("a", "1", 10), ("a", "5", 50), ("a", "all 10", 100)]
    assert told[3:5] == [("b", "1", 10), ("b", "all 5", 50)]
    assert told[5:] == [(MACRO, "1", 10), (MACRO, "all 7.5", 75)]  # not 5, which only one of the classes has
    first = lines[0].auroc["test_clean"]
    assert (first.value, first.low, first.high) == pytest.approx((0.7, 0.5, 0.9))
    mean = lines[5].auroc["test_clean"]  # 0.6, 0.6 and 0.6: choices are averaged over classes first
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.6, 0.6, 0.6))
    whole = lines[2].auroc["test_shift"]
    assert isinstance(whole, Estimate) and whole.value == 1 and math.isnan(whole.low) and math.isnan(whole.high)
