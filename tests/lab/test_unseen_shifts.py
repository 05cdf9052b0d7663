"""Unseen shifts: which model meets which images, what is gained there, and which share of the gain stays."""

from dataclasses import replace

import numpy as np
import pytest

from adtrack.data.corruptions import CORRUPTIONS
from adtrack.data.imageset import parse_name
from adtrack.data.shift import PARTS
from adtrack.evaluation.gains import Gain, mean_gain, share_kept
from adtrack.evaluation.intervals import interval
from adtrack.evaluation.resampling import Sample
from adtrack.lab import unseen_shifts
from adtrack.lab.cells import Cells
from adtrack.lab.drift import built_model, drift_cell, plain_model
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup
from adtrack.lab.unseen_shifts import (
    HELD_OUT,
    OTHER,
    REFERENCE,
    SHIFTS,
    ShiftScores,
    gain_lines,
    gains_frame,
    measure_unseen_shifts,
)

SOME = tuple(one for one in SHIFTS if one.test in ("test_clean", "test_shift", "test_shift_only_blur", "test_jpeg"))


def test_every_shift_has_an_image_set_and_a_name_of_its_own() -> None:
    assert len({one.test for one in SHIFTS}) == len({one.words for one in SHIFTS}) == len(SHIFTS)
    assert all(parse_name(one.test)[0] == "test" for one in SHIFTS)
    assert [one.part for one in SHIFTS if one.group == HELD_OUT] == list(PARTS)
    assert [one.test for one in SHIFTS if one.group == OTHER] == [f"test_{name}" for name in CORRUPTIONS]


def test_each_shift_is_met_by_a_model_that_has_not_seen_it(
    cells: Cells, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen_shifts, "SHIFTS", SOME)
    spec, bench = replace(setup.detectors[0], augment=1), setup.bench("part")
    found = measure_unseen_shifts(cells, replace(setup, detectors=(spec,)))
    assert [one.shift for one in found] == list(SOME) and len(cells.used) == 3
    plain = drift_cell(cells, bench, plain_model(spec), [one.test for one in SOME])
    assert plain.reused
    for one in found:
        model = built_model(spec, one.shift.part)
        built = drift_cell(cells, bench, model, [one.shift.test]).scores("part", one.shift.test)
        assert np.array_equal(one.built["part"].scores, built.scores)
        assert np.array_equal(one.plain["part"].scores, plain.scores("part", one.shift.test).scores)
        assert one.plain["part"].threshold == plain.scores("part", "val_clean").threshold
    thresholds = {one.shift.part: one.built["part"].threshold for one in found}
    assert thresholds["blur"] != thresholds[""]  # the threshold has not seen it either


def scores(apart: float, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    labels = np.repeat([False, True], 60)
    return Sample(rng.normal(size=120) + apart * labels, labels, 0.5)


def shift_scores(classes: tuple[str, ...], built: dict[str, float]) -> list[ShiftScores]:
    return [
        ShiftScores(
            "patchcore",
            one,
            {name: scores(0.5, seed) for seed, name in enumerate(classes)},
            {name: scores(built[one.group], seed) for seed, name in enumerate(classes)},
        )
        for one in SHIFTS
    ]


def test_lines_hold_both_models_the_gain_and_its_share() -> None:
    found = shift_scores(("part",), {"MVTec-Shift": 2.0, "stronger": 1.5, HELD_OUT: 0.5, OTHER: 1.0})
    lines = gain_lines(found)
    assert len(lines) == len(SHIFTS) + 3
    by_words = {(line.group, line.words): line for line in lines}
    reference, other = by_words["MVTec-Shift", REFERENCE.words], by_words[OTHER, CORRUPTIONS["jpeg"].words]
    assert reference.kept.value == 1 and 0 < other.kept.low < other.kept.value < other.kept.high < 1
    assert by_words[HELD_OUT, "blur alone"].kept.value == by_words[HELD_OUT, "blur alone"].gain.value == 0
    rows, whole = {"part": scores(0.5)}, Gain({"part": scores(2.0)}, {"part": scores(0.5)})
    gain = Gain({"part": scores(1.0)}, rows)
    assert other.gain == mean_gain([gain], "image_auroc") and other.kept == share_kept([gain], whole, "image_auroc")
    assert other.drop.value == 0 and by_words["MVTec-Shift", "none"].drop == mean_gain(
        [Gain(rows, rows)], "image_auroc"
    )
    assert other.plain["recall"] == interval(rows, "recall")
    assert other.built["false_alarm_rate"] == interval({"part": scores(1.0)}, "false_alarm_rate")
    mean = by_words[OTHER, f"mean of {len(CORRUPTIONS)}"]
    assert mean.gain.value == pytest.approx(other.gain.value) and np.isnan(mean.plain["recall"].low)


def test_several_classes_have_a_macro_mean() -> None:
    lines = gain_lines(shift_scores(("a", "b"), dict.fromkeys(("MVTec-Shift", "stronger", HELD_OUT, OTHER), 1.5)))
    by_class = {name: [line for line in lines if line.class_name == name] for name in ("a", "b", MACRO)}
    assert sum(map(len, by_class.values())) == len(lines)
    for one, other, mean in zip(*by_class.values(), strict=True):
        assert mean.gain.value == pytest.approx((one.gain.value + other.gain.value) / 2)


def test_the_frame_holds_everything_in_full_precision() -> None:
    lines = gain_lines(shift_scores(("part",), dict.fromkeys(("MVTec-Shift", "stronger", HELD_OUT, OTHER), 1.5)))
    data = gains_frame(lines)
    assert data["kept"].tolist() == [line.kept.value for line in lines]
    assert {
        "class",
        "method",
        "group",
        "shift",
        "plain_image_auroc",
        "built_recall_low",
        "gain_high",
        "drop_low",
    } <= set(data)
