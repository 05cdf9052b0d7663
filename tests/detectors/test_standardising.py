"""Standardised patches: formulas by an independent NumPy version, trimming, and bits."""

import numpy as np
import pytest
import torch

from adtrack.detectors.standardising import standardised


def by_hand(patches: np.ndarray, strength: float) -> np.ndarray:
    """One image, float64 (P, D), patch by patch and channel by channel."""
    count, channels = patches.shape
    mean = [sum(patches[:, at]) / count for at in range(channels)]
    variance = [sum((patches[:, at] - mean[at]) ** 2) / count for at in range(channels)]
    least = 0.01 * sum(variance) / channels
    unusual = [sum((row[at] - mean[at]) ** 2 / max(variance[at], least) for at in range(channels)) for row in patches]
    usual = patches[sorted(range(count), key=lambda place: unusual[place])[: count - round(0.1 * count)]]
    spread = usual.var(axis=0)
    spread = np.sqrt(np.maximum(spread, 0.01 * spread.mean()))
    result: np.ndarray = (patches - strength * usual.mean(axis=0)) / spread**strength
    return result


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_it_is_the_formula(strength: float) -> None:
    patches = np.random.default_rng(1).normal(3, (0.01, 1, 2, 5), size=(3, 40, 4))
    found = standardised(torch.tensor(patches, dtype=torch.float32), strength)
    assert found.dtype == torch.float32
    for one, image in zip(found, patches, strict=True):
        np.testing.assert_allclose(one.numpy(), by_hand(image, strength), rtol=2e-4, atol=2e-4)


def test_light_and_contrast_vanish_and_a_defect_does_not_move_the_others() -> None:
    patches = torch.randn(1, 100, 6, generator=torch.Generator().manual_seed(0))
    gain, offset = torch.rand(6) + 0.5, torch.randn(6)
    torch.testing.assert_close(
        standardised(patches * 1.7 + offset, 1.0), standardised(patches, 1.0), rtol=1e-4, atol=1e-4
    )
    varied = standardised(patches * gain, 1.0)  # the order of unusual patches is that of standardised values
    torch.testing.assert_close(varied, standardised(patches, 1.0), rtol=1e-4, atol=1e-4)
    spoilt, worse = patches.clone(), patches.clone()
    spoilt[0, :8] += 30.0
    worse[0, :8] += 60.0
    torch.testing.assert_close(standardised(spoilt, 1.0)[0, 8:], standardised(worse, 1.0)[0, 8:], rtol=1e-3, atol=1e-3)


def test_none_is_the_same_tensor_and_an_image_has_the_same_bits_in_any_batch() -> None:
    patches = torch.randn(5, 30, 7, generator=torch.Generator().manual_seed(2))
    assert standardised(patches, 0.0) is patches
    together = standardised(patches, 1.0)
    for at in range(5):
        assert torch.equal(standardised(patches[at : at + 1].clone(), 1.0)[0], together[at])


def test_channels_that_never_vary_stay_finite() -> None:
    patches = torch.randn(1, 30, 4, generator=torch.Generator().manual_seed(3))
    patches[:, :, 1] = 5.0
    found = standardised(patches, 1.0)
    assert bool(torch.isfinite(found).all()) and float(found[:, :, 1].abs().max()) == 0.0
    assert float(standardised(torch.full((1, 9, 3), 2.0), 1.0).abs().max()) == 0.0
    assert bool(torch.isfinite(standardised(torch.ones(1, 1, 3), 1.0)).all())
