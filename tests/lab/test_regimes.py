"""Regimes: two models for each class and method, trained, calibrated and tested on what the protocol says."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.evaluation.building import build
from adtrack.evaluation.intervals import interval
from adtrack.lab.cells import Cells
from adtrack.lab.drift import built_model
from adtrack.lab.regimes import REGIMES, RegimeScores, measure_regimes
from adtrack.lab.setup import Setup
from adtrack.threshold_spec import ThresholdSpec


def by_name(measured: list[RegimeScores], method: str) -> dict[str, RegimeScores]:
    return {one.regime.name: one for one in measured if one.method == method}


def test_the_regimes_are_the_protocols() -> None:
    assert [(one.name, one.train, one.threshold, one.test) for one in REGIMES] == [
        ("clean reference", "clean", ("val_clean",), "test_clean"),
        ("none", "clean", ("val_clean",), "test_shift"),
        ("threshold-only", "clean", ("val_shift",), "test_shift"),
        ("full adaptation", "shift", ("val_shift",), "test_shift"),
        ("built for drift, clean images", "drift", ("val_clean", "val_shift"), "test_clean"),
        ("built for drift", "drift", ("val_clean", "val_shift"), "test_shift"),
        ("adapted without labels", "drift", ("val_clean", "val_shift"), "test_shift"),
    ]
    assert [one.photos for one in REGIMES] == [0] * 6 + [16]


def test_threshold_only_moves_the_threshold_and_nothing_else(cells: Cells, setup: Setup) -> None:
    measured = measure_regimes(cells, setup)
    assert [(one.method, one.regime) for one in measured] == [(m, r) for m in ("patchcore", "padim") for r in REGIMES]
    assert len(cells.used) == 6  # a model for each method and way of training, not for each regime
    for method in setup.methods:
        found = by_name(measured, method)
        none, threshold_only = found["none"].samples["part"], found["threshold-only"].samples["part"]
        assert np.array_equal(none.scores, threshold_only.scores) and none.threshold != threshold_only.threshold
        rows = [{"part": none}, {"part": threshold_only}]
        assert interval(rows[0], "image_auroc") == interval(rows[1], "image_auroc")
        assert found["clean reference"].samples["part"].threshold == none.threshold
        assert not np.array_equal(found["full adaptation"].samples["part"].scores, none.scores)
        assert 0 <= found["none"].pixel["part"]["pixel_auroc"] <= 1


def test_regimes_are_what_the_workbench_measures(cells: Cells, setup: Setup) -> None:
    spec, bench = setup.detectors[0], setup.bench("part")
    found = by_name(measure_regimes(cells, setup.only("patchcore")), "patchcore")
    clean = build(bench, spec, ("test_clean", "test_shift"), threshold=ThresholdSpec("val_clean"))
    shifted = build(bench, spec, ("test_shift",), train="train_shift", threshold=ThresholdSpec("val_shift"))
    drift = build(bench, built_model(spec).spec, ("test_clean", "test_shift"))
    for regime, evaluation in (
        ("clean reference", clean.evaluations[0]),
        ("none", clean.evaluations[1]),
        ("full adaptation", shifted.evaluations[0]),
        ("built for drift, clean images", drift.evaluations[0]),
        ("built for drift", drift.evaluations[1]),
    ):
        sample = found[regime].samples["part"]
        assert np.array_equal(sample.scores, evaluation.scored.scores)
        assert sample.threshold == evaluation.threshold
        assert interval({"part": sample}, "f1").value == pytest.approx(evaluation.metrics["f1"], abs=1e-12)
        assert found[regime].pixel["part"]["pixel_aupro_030"] == evaluation.metrics["pixel_aupro_030"]


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_full_adaptation_never_sees_val_or_test(setup: Setup, tmp_path: Path, method: str) -> None:
    spec = setup.only(method).detectors[0]
    scored = build(setup.bench("part"), spec, ("val_shift",), train="train_shift", threshold=ThresholdSpec("val_shift"))
    copy = tmp_path / "data"
    shutil.copytree(setup.data, copy)
    bench = setup.bench("part")
    for record in (*bench.opened.splits.val.records, *bench.opened.splits.test.records):
        Image.fromarray(np.full((64, 64, 3), 77, np.uint8)).save(copy / record.path)
    other = Setup(("part",), str(copy), (spec,), setup.image, setup.backbone, "cpu")
    again = build(other.bench("part"), spec, ("val_shift",), train="train_shift", threshold=ThresholdSpec("val_shift"))
    views = setup.bench("part").features("train_shift").chunk(0, 8, spec.layers)
    expected, found = (built.scorer.detector.score(views) for built in (scored, again))
    assert np.array_equal(expected.image, found.image) and np.array_equal(expected.patches, found.patches)


def test_the_images_that_adapt_a_threshold_are_not_tested(cells: Cells, setup: Setup) -> None:
    found = by_name(measure_regimes(cells, setup.only("patchcore")), "patchcore")
    adapted, whole, reference = (
        found[name] for name in ("adapted without labels", "built for drift", "clean reference")
    )
    places = adapted.tested["part"]
    labels = whole.samples["part"].labels
    assert np.array_equal(adapted.samples["part"].scores, whole.samples["part"].scores[places])
    assert len(places) < len(labels) and {False, True} == set(labels[places].tolist())
    beside = adapted.beside(reference)["part"]
    assert np.array_equal(beside.scores, reference.samples["part"].scores[places])
    assert beside.threshold == reference.samples["part"].threshold and not adapted.pixel
    assert whole.beside(reference) is reference.samples
