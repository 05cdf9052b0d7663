"""A calibration, and the plain data that a model keeps of it."""

import numpy as np
import pytest

from adtrack.detectors.calibration import Calibration, ColourRange
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
