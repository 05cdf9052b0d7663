"""Unified models: one class is no pool, identical classes need one threshold, and the diagnostics count right."""

from pathlib import Path

import numpy as np

from adtrack.evaluation.thresholds import f1_threshold
from adtrack.lab.cell import Cell, CellScores
from adtrack.lab.cells import Cells
from adtrack.lab.setup import Setup
from adtrack.lab.unified import absolute_unified, measure_unified, model_unified, shortcut


def pool(**classes: tuple[list[float], list[float]]) -> Cell:
    """The scores of a model of several classes: two normal images and two anomalous ones in each Val and Test."""
    labels = np.array([0, 0, 1, 1])
    sets = {
        (name, one): CellScores(name, one, tuple("abcd"), ("good", "good", "hole", "hole"), labels, np.array(scores))
        for name, both in classes.items()
        for one, scores in zip(("val_clean", "test_clean"), both, strict=True)
    }
    return Cell("run", False, sets, {})


LOW = ([1.0, 2.0, 4.0, 5.0], [1.5, 2.5, 4.5, 3.0])
HIGH = ([11.0, 12.0, 14.0, 15.0], [11.5, 13.5, 14.5, 2.0])


def test_absolute_unified_with_identical_classes_is_model_unified() -> None:
    found = pool(a=LOW, b=LOW)
    one, own = absolute_unified(found, ("a", "b")), model_unified(found, ("a", "b"))
    for name in ("a", "b"):
        assert one[name].threshold == own[name].threshold and np.array_equal(one[name].scores, own[name].scores)


def test_thresholds_know_the_class_only_where_the_setting_allows_it() -> None:
    found = pool(a=LOW, b=HIGH)
    own, one = model_unified(found, ("a", "b")), absolute_unified(found, ("a", "b"))
    assert own["a"].threshold == 3.0 and own["b"].threshold == 13.0
    together = f1_threshold(np.array(LOW[0] + HIGH[0]), np.array([0, 0, 1, 1] * 2))
    assert one["a"].threshold == one["b"].threshold == together


def test_the_alarm_matrix_has_images_in_rows_and_thresholds_in_columns() -> None:
    found = shortcut("patchcore", pool(a=LOW, b=HIGH), ("a", "b"))
    # Normal Test of a: 1.5, 2.5 at thresholds 3 and 13; of b: 11.5, 13.5.
    assert found.alarms.tolist() == [[0.0, 0.0], [1.0, 0.5]]
    assert np.isnan(found.foreign).all()


def test_unified_with_one_class_is_the_class(cells: Cells, setup: Setup) -> None:
    settings, shortcuts = measure_unified(cells, setup)
    for method in setup.methods:
        own, *shared = [one for one in settings if one.method == method]
        for one in shared:
            assert np.array_equal(one.samples["part"].scores, own.samples["part"].scores)
            assert one.samples["part"].threshold == own.samples["part"].threshold
            assert one.pixel == own.pixel
    assert shortcuts[0].foreign.tolist() == [0.0] and np.isnan(shortcuts[1].foreign).all()


def test_patches_of_another_class_are_counted(cells: Cells, setup: Setup, tmp_path: Path, write_part) -> None:
    from PIL import Image, ImageOps

    write_part(tmp_path)
    for file in write_part(tmp_path / "inverted").rglob("*.png"):
        if "ground_truth" not in file.parts:
            ImageOps.invert(Image.open(file)).save(file)
    (tmp_path / "inverted" / "part").rename(tmp_path / "negative")
    two = Setup(("part", "negative"), str(tmp_path), setup.detectors[:1], setup.image, setup.backbone, "cpu")
    (found,) = measure_unified(cells, two)[1]
    assert found.classes == ("part", "negative") and found.alarms.shape == (2, 2)
    assert all(0 <= share < 0.5 for share in found.foreign)
    assert cells.used[-1].metrics["cost/bank_rows"] == round(0.1 * 2 * 8 * 8 * 8)  # the patches of both classes
