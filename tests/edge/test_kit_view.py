"""What NumPy alone makes of images for a model has the bits of what adtrack makes of them with Pillow."""

import numpy as np
import pytest

from adtrack.config import INTERPOLATIONS, ImageSpec
from adtrack.data.loading import squeezed
from adtrack.edge.kit.view import view_of

SIZES = ((1, 1), (20, 20), (37, 90), (200, 40), (64, 64), (61, 40), (300, 333), (333, 100), (136, 100), (137, 100))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("side", "crop"), [(64, 0), (64, 41), (33, 0)])
def test_a_view_has_the_same_bits_without_pillow(interpolation: str, side: int, crop: int) -> None:
    spec = ImageSpec(resize=side, crop=crop, interpolation=interpolation)
    for height, width in SIZES:
        draws = np.random.default_rng([height, width])
        noise = draws.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for image in (noise, np.where(noise > 127, 255, 0).astype(np.uint8)):  # hard edges overshoot
            seen = view_of(image, side, spec.size, interpolation)
            assert seen.dtype == np.uint8 and seen.shape == (1, spec.size, spec.size, 3)
            np.testing.assert_array_equal(seen[0], squeezed(image, spec), f"{height} × {width}")
