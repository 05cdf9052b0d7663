"""Uneven light, against its formula at every pixel."""

import numpy as np
import pytest

from adtrack.data import light as module
from adtrack.data.light import light
from adtrack.data.shift import DEEPEST, LINEAR, RADIAL, Shift
from tests.data import plain_transform as plain


@pytest.mark.parametrize("kind", [*LINEAR, *RADIAL])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 9), (64, 64), (65, 130), (300, 419), (512, 512)])
def test_every_pixel_has_the_bits_of_the_formula(kind: str, size: tuple[int, int]) -> None:
    for depth in (0.05, 0.4, 0.7, DEEPEST):
        shift = Shift(illumination=kind, illumination_depth=depth)
        np.testing.assert_array_equal(np.concatenate(list(light(shift, *size))), plain._light(shift, *size))


def test_the_radial_ramp_is_as_near_its_table_as_the_bounds_say() -> None:
    distance = np.random.default_rng(0).random(100_000)
    place = distance * module._STEPS
    at = place.astype(int)
    table = module._table()
    interpolated = table[at] + (place - at) * np.diff(table)[at]
    error = np.abs(interpolated - module._ramp(distance, module._RADIAL)).max()
    assert 0.5 * module._WITHIN < error < module._WITHIN
