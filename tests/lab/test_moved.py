"""Moved thresholds: which images move them and which are judged, and what is told of several handfuls."""

import numpy as np
import pytest

from adtrack.evaluation.adapting import moved_threshold
from adtrack.evaluation.calibrating import good_scores
from adtrack.evaluation.resampling import class_seed
from adtrack.lab.cell import Cell, CellScores
from adtrack.lab.moved import DEFECTS, HANDFULS, PHOTOS, Handfuls, handfuls, moved_estimate, refused_share
from adtrack.threshold_spec import BY_F1, ThresholdSpec

NAN = np.nan


def scores(name: str, good: int, bad: int, drift: float, apart: float = 6.0) -> CellScores:
    labels = np.repeat([0, 1], [good, bad])
    values = np.random.default_rng(len(name)).normal(size=good + bad) + drift + apart * labels
    texts = tuple(map(str, range(good + bad)))
    return CellScores("part", name, texts, texts, labels, values)


def cell(*sets: CellScores) -> Cell:
    return Cell("run", False, {("part", one.name): one for one in sets}, {})


def test_a_moved_threshold_follows_scores_that_all_rose() -> None:
    val, test = scores("val_clean", 100, 40, 0.0), scores("test_clean", 200, 100, 20.0)
    model = cell(val, test)
    assert model.judged("part", ("val_clean",), "test_clean").threshold < test.scores.min()  # every image is an alarm
    moved = handfuls(model, "part", ("val_clean",), "test_clean")
    assert moved.false_alarm_rate.shape == moved.recall.shape == (HANDFULS,)
    found = {name: moved_estimate([moved], name).value for name in ("false_alarm_rate", "recall")}
    assert found["false_alarm_rate"] < 0.1 and found["recall"] > 0.9
    assert len(set(moved.false_alarm_rate)) > 1 and refused_share([moved]) < 0.5  # the handfuls are not the same


def test_the_images_that_move_a_threshold_are_not_judged() -> None:
    val, test = scores("val_clean", 100, 40, 0.0, 2.0), scores("test_clean", 50, 20, 1.0, 2.0)
    found = handfuls(cell(val, test), "part", ("val_clean",), "test_clean")
    (turn, *_) = np.flatnonzero(~np.isnan(found.recall))  # the first handful that was not refused
    rng = np.random.default_rng(class_seed("part", turn))
    good, bad = (rng.permutation(np.flatnonzero(test.labels == label)) for label in (0, 1))
    kept = good_scores({"val_clean": (val.scores, val.labels)}, ThresholdSpec(threshold_from=BY_F1))
    photos = test.scores[[*good[: PHOTOS - DEFECTS], *bad[:DEFECTS]]]
    moved = moved_threshold(kept, val.threshold, photos)
    assert found.false_alarm_rate[turn] == (test.scores[good[PHOTOS - DEFECTS :]] >= moved.after).mean()
    assert found.recall[turn] == (test.scores[bad[DEFECTS:]] >= moved.after).mean()
    assert found.promised == moved.promised.value


def test_what_is_refused_has_no_number() -> None:
    val, few = scores("val_clean", 100, 40, 0.0), scores("test_clean", 4, 4, 0.0)
    found = handfuls(cell(val, few), "part", ("val_clean",), "test_clean")
    good, bad = min(PHOTOS - DEFECTS, 4 // 2), min(DEFECTS, 4 // 2)
    assert good + bad == 4 and not np.isinf(found.recall).any()
    none = Handfuls(np.full(HANDFULS, NAN), np.full(HANDFULS, NAN), NAN)
    assert refused_share([none]) == 1 and np.isnan(moved_estimate([none], "recall").value)


def test_several_handfuls_are_told_by_mean_and_range() -> None:
    one = Handfuls(np.linspace(0, 1, HANDFULS), np.ones(HANDFULS), 0.1)
    found = moved_estimate([one], "false_alarm_rate")
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))
    holed = Handfuls(np.append(NAN, np.full(HANDFULS - 1, 0.5)), np.ones(HANDFULS), 0.1)
    both = moved_estimate([one, holed], "false_alarm_rate")
    assert both.value == pytest.approx(0.5) and refused_share([one, holed]) == 0
    assert np.isnan([both.low, both.high]).all()
    single = Handfuls(np.append(0.5, np.full(HANDFULS - 1, NAN)), np.ones(HANDFULS), 0.1)
    alone = moved_estimate([single], "false_alarm_rate")
    assert alone.value == 0.5 and np.isnan([alone.low, alone.high]).all()  # one handful tells no range
