"""A calibration, and the plain data that a model keeps of it."""

import json

import numpy as np
import pytest

from adtrack.detectors.calibration import Calibration, ColourRange, GoodScores
from adtrack.errors import UserError


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_bad_range_is_refused(ends: tuple[float, float]):
    with pytest.raises(UserError, match="must rise"):
        ColourRange(*ends)


def test_a_calibration_is_read_as_it_was_written() -> None:
    for one in (Calibration(2.5, ColourRange(0.25, 4.0)), Calibration(2.5, None)):
        assert Calibration.from_fields(one.fields()) == one
    flat = {"threshold": 2.5, "colour_low": 0.25, "colour_high": 4.0}  # as models have had it from the first
    assert Calibration(2.5, ColourRange(0.25, 4.0)).fields() == flat


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"threshold": float("nan")},
        {"threshold": "2.5"},
        {"threshold": 2.5, "colour_low": 0.25},
        {"colour_low": 0.25, "colour_high": 4.0},
        {"threshold": 2.5, "unheard_of": 1.0},
        {"threshold": 2.5, "colour_low": 4.0, "colour_high": 0.25},
    ],
)
def test_what_is_no_calibration_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Calibration.from_fields(fields)


GOOD = GoodScores.of(0.5, {"val_shift": [4.0, 3.0], "val_clean": np.array([2, 1, 1.5])})


def test_good_scores_are_kept_in_order_and_read_as_they_were_written() -> None:
    assert GOOD.scores == {"val_shift": (3.0, 4.0), "val_clean": (1.0, 1.5, 2.0)}
    one = Calibration(2.5, ColourRange(0.25, 4.0), GOOD)
    assert Calibration.from_fields(one.fields(), json.loads(json.dumps(GOOD.plain()))) == one
    assert one.fields() == Calibration(2.5, ColourRange(0.25, 4.0)).fields()  # they lie beside it
    served = GoodScores.of(0.5, GOOD.scores, 4.5)
    assert GoodScores.from_plain(json.loads(json.dumps(served.plain()))) == served != GOOD
    assert "threshold" not in GOOD.plain()


@pytest.mark.parametrize(
    "plain",
    [
        [],
        {"margin": 0.5},
        {"margin": 0.5, "scores": {}},
        {"margin": 0.5, "scores": []},
        {"margin": 0.5, "scores": {"val_clean": []}},
        {"margin": 0.5, "scores": {"val_clean": 1.0}},
        {"margin": 0.5, "scores": {"val_clean": [1.0, "2.0"]}},
        {"margin": 0.5, "scores": {"val_clean": [1.0, float("nan")]}},
        {"margin": float("inf"), "scores": {"val_clean": [1.0]}},
        {"margin": "0.5", "scores": {"val_clean": [1.0]}},
        {"margin": 0.5, "scores": {"val_clean": [1.0]}, "threshold": float("inf")},
        {"margin": 0.5, "scores": {"val_clean": [1.0]}, "threshold": None},
        {"margin": 0.5, "scores": {"val_clean": [1.0]}, "unheard_of": 1.0},
    ],
)
def test_what_are_no_good_scores_is_refused(plain: object) -> None:
    with pytest.raises(ValueError):
        Calibration.from_fields({"threshold": 2.5}, plain)
