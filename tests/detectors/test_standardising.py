"""Standardised outputs: the formula by an independent version, light, and bits."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors.standardising import standardised


def standard(output: Tensor, strength: float) -> Tensor:
    return standardised({"a": output}, strength)["a"]


def by_hand(cells: np.ndarray, strength: float) -> np.ndarray:
    """One image, float64 (C, P), cell by cell and channel by channel."""
    channels, count = cells.shape
    mean = [sum(cells[at]) / count for at in range(channels)]
    variance = [sum((cells[at] - mean[at]) ** 2) / count for at in range(channels)]
    least = 0.01 * sum(variance) / channels
    found = [
        [(value - strength * mean[at]) / max(variance[at], least) ** (strength / 2) for value in cells[at]]
        for at in range(channels)
    ]
    return np.array(found)


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_it_is_the_formula(strength: float) -> None:
    scale = np.array((0.1, 1, 2, 5))[:, None, None]
    output = np.random.default_rng(1).normal(3, scale, size=(3, 4, 8, 5))
    found = standard(torch.tensor(output, dtype=torch.float32), strength)
    assert found.dtype == torch.float32 and found.shape == (3, 4, 8, 5)
    for one, image in zip(found, output, strict=True):
        expected = by_hand(image.reshape(4, 40), strength).reshape(4, 8, 5)
        np.testing.assert_allclose(one.numpy(), expected, rtol=2e-4, atol=2e-4)


def test_light_and_contrast_of_every_channel_vanish() -> None:
    draws = torch.Generator().manual_seed(0)
    output = torch.randn(1, 6, 10, 10, generator=draws)
    gain, offset = torch.rand(6, 1, 1, generator=draws) + 0.5, torch.randn(6, 1, 1, generator=draws)
    torch.testing.assert_close(standard(output * gain + offset, 1.0), standard(output, 1.0), rtol=1e-4, atol=1e-4)


def test_nothing_is_done_without_strength_and_an_image_has_the_same_bits_in_any_batch() -> None:
    output = torch.randn(5, 7, 6, 5, generator=torch.Generator().manual_seed(2))
    assert standard(output, 0.0) is output
    together = standard(output, 1.0)
    for at in range(5):
        assert torch.equal(standard(output[at : at + 1].clone(), 1.0)[0], together[at])


def test_channels_that_never_vary_stay_finite() -> None:
    output = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(3))
    output[:, 1] = 5.0
    found = standard(output, 1.0)
    assert bool(torch.isfinite(found).all()) and float(found[:, 1].abs().max()) < 1e-2
    assert float(standard(torch.full((1, 3, 3, 3), 2.0), 1.0).abs().max()) == 0.0
    assert bool(torch.isfinite(standard(torch.ones(1, 3, 1, 1), 1.0)).all())
