"""Draws of photos: never tested themselves, the same every time, and told with what they do on average."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from adtrack.detectors.calibration import GoodScores
from adtrack.evaluation.adapting import moved_threshold
from adtrack.lab import adaptation
from adtrack.lab.adaptation import Adapted, adapted_rest, draw_adaptations, good_of, measure_adaptations
from adtrack.lab.cell import Cell, CellScores
from adtrack.lab.cells import Cells
from adtrack.lab.setup import Setup
from adtrack.lab.unseen_shifts import SHIFTS
from adtrack.threshold_spec import BY_QUANTILE, ThresholdSpec
from adtrack.verbs.experiments.adaptation import adapted_frame, by_photos, by_shift, chart

BOTH = ThresholdSpec("both", BY_QUANTILE, 0.95)


def drawn_set(name: str, by: float, count: int = 200) -> CellScores:
    """Good scores N(by, 1) and as many of defects, N(by + 3, 1)."""
    draws, half = np.random.default_rng(len(name)), count // 2
    scores = np.append(draws.normal(by, 1, half), draws.normal(by + 3, 1, half))
    labels = np.repeat([0, 1], half)
    paths = tuple(f"{place:03}" for place in range(count))
    return CellScores("part", name, paths, ("good",) * half + ("spot",) * half, labels, scores)


@pytest.fixture
def cell() -> Cell:
    """A model whose scores rise with the domain; its threshold is far too low for Test-jpeg."""
    by = {"val_clean": 0.0, "val_shift": 1.0, "test_clean": 0.0, "test_shift": 1.0, "test_jpeg": 6.0}
    return Cell("run", True, {("part", name): drawn_set(name, value) for name, value in by.items()}, {})


def test_photos_are_never_tested(cell: Cell) -> None:
    rest, sample = adapted_rest(cell, "part", BOTH, "test_jpeg", 16, 2, seed=5)
    scored = cell.scores("part", "test_jpeg")
    photos = np.setdiff1d(np.arange(200), rest)
    assert len(photos) == 16 and scored.labels[photos].sum() == 2
    assert np.array_equal(sample.scores, scored.scores[rest]) and np.array_equal(sample.labels, scored.labels[rest])
    good, before = good_of(cell, "part", BOTH)
    assert sample.threshold == moved_threshold(good, before, scored.scores[photos]).after > before + 4
    again = adapted_rest(cell, "part", BOTH, "test_jpeg", 16, 2, seed=5)
    other = adapted_rest(cell, "part", BOTH, "test_jpeg", 16, 2, seed=6)
    assert np.array_equal(again[0], rest) and not np.array_equal(other[0], rest)


def test_a_threshold_whose_photos_are_refused_stays(cell: Cell) -> None:
    _, sample = adapted_rest(cell, "part", BOTH, "test_jpeg", 3, 0, seed=0)
    assert sample.threshold == good_of(cell, "part", BOTH)[1]


def test_draws_tell_what_the_threshold_does_on_the_other_images(cell: Cell) -> None:
    good, before = good_of(cell, "part", BOTH)
    scored = cell.scores("part", "test_jpeg")
    after, held = draw_adaptations(good, before, (scored.scores, scored.labels), (16, 2), 100, seed=3)
    kept = after[~np.isnan(after[:, 0])]
    assert len(kept) > 80 and kept[:, 0].mean() == pytest.approx(0.05, abs=0.04) and kept[:, 1].mean() > 0.6
    assert 0.6 < held <= 1
    again, _ = draw_adaptations(good, before, (scored.scores, scored.labels), (16, 2), 100, seed=3)
    assert np.array_equal(again, after, equal_nan=True)
    none, never = draw_adaptations(good, before, (scored.scores, scored.labels), (3, 0), 10, seed=3)
    assert np.isnan(none).all() and np.isnan(never)


def test_models_plain_and_built_for_drift_are_drawn_for(
    cells: Cells, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation, "TESTED", SHIFTS[:2])
    spec = replace(setup.detectors[0], augment=1)
    found = measure_adaptations(cells, replace(setup, detectors=(spec,)), draws=3)
    assert {(one.model, one.shift) for one in found} == {
        (model, shift) for model in ("plain", "built for drift") for shift in SHIFTS[:2]
    }
    assert len(cells.used) == 2 and {(one.photos, one.defects) for one in found} == {(4, 1), (4, 2)}  # 4 good images
    assert all(one.refused == 1 for one in found)  # Val has two good images


def adapted(photos: int, defects: int, rate: float, **own: object) -> Adapted:
    after = np.tile([rate, 0.8 - rate], (10, 1))
    after[0] = np.nan
    told = {"auroc": 0.95, "promised": 0.05, "before": (0.9, 1.0), "held": 0.9} | own
    shift = told.pop("shift", SHIFTS[1])
    return Adapted("part", "patchcore", "plain", shift, photos, defects, after=after, **told)


def test_tables_hold_means_over_draws_and_over_shifts() -> None:
    found = [
        *(adapted(16, 0, 0.06), adapted(16, 2, 0.02), adapted(32, 0, 0.05)),
        *(adapted(16, 0, 0.1, shift=SHIFTS[0]), adapted(32, 0, 0.05, shift=SHIFTS[0])),
        adapted(16, 0, 0.9, shift=SHIFTS[2], auroc=0.6),
    ]
    assert found[0].refused == 0.1 and found[0].false_alarms.mean() == pytest.approx(0.06)
    shown = by_shift(found)
    assert len(shown.rows) == 4 and shown.rows[0][3:] == (
        *("as drawn", "0.950", "0.050", "0.900", "1.000", "0"),
        *("0.060 [0.060, 0.060]", "0.740 [0.740, 0.740]", "0.100"),
    )
    counted = {row[4:6]: row[6:] for row in by_photos(found).rows}
    assert set(counted) == {("16", "0"), ("16", "2"), ("32", "0")}
    # Over both shifts with a ranking: 0.06 and 0.1 of 0.05 promised, 0.01 and 0.05 of recall less than with 32 photos.
    assert counted["16", "0"] == ("0.080", "1.60", "2.00", "0.030", "0.100", "0.900")
    frame = adapted_frame(found)
    assert isinstance(frame, pd.DataFrame) and frame["false_alarm_rate"].tolist() == pytest.approx(
        [0.06, 0.02, 0.05, 0.1, 0.05, 0.9]
    )
    drawing = chart(found[:2])
    assert list(drawing.kind.series) == ["before", "16 photos, 0 defects", "16 photos, 2 defects"]


def test_good_scores_of_a_cell_are_those_that_a_model_keeps(cell: Cell) -> None:
    good, threshold = good_of(cell, "part", BOTH)
    val = {name: cell.scores("part", name).scores[:100] for name in ("val_clean", "val_shift")}
    assert isinstance(good, GoodScores) and good.scores == {name: tuple(sorted(some)) for name, some in val.items()}
    assert threshold > good.margin > 0
