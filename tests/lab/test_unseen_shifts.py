"""Unseen shifts: which model meets which images, and what is judged by which threshold."""

from dataclasses import replace

import numpy as np
import pytest

from adtrack.data.corruptions import CORRUPTIONS
from adtrack.data.imageset import parse_name
from adtrack.data.shift import PARTS
from adtrack.lab import unseen_shifts
from adtrack.lab.cells import Cells
from adtrack.lab.drift import built_model, drift_cell, plain_model
from adtrack.lab.moved import HANDFULS
from adtrack.lab.setup import Setup
from adtrack.lab.unseen_shifts import HELD_OUT, OTHER, SHIFTS, measure_unseen_shifts

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
        assert np.array_equal(one.built.samples["part"].scores, built.scores)
        assert np.array_equal(one.plain.samples["part"].scores, plain.scores("part", one.shift.test).scores)
        assert one.plain.samples["part"].threshold == plain.scores("part", "val_clean").threshold
        assert len(one.built.moved["part"].recall) == HANDFULS
    thresholds = {one.shift.part: one.built.samples["part"].threshold for one in found}
    assert thresholds["blur"] != thresholds[""]  # the threshold has not seen it either
