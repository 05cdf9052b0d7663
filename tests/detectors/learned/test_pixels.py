"""Methods that draw views: what they draw, where they are wrong, and that they find a defect in smooth views."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from adtrack.config import VIEW, ImageSpec
from adtrack.detectors.contract import Scores
from adtrack.detectors.learned.learner import Seen
from adtrack.detectors.learned.pixel_ae import PixelAe, PixelAeSpec
from adtrack.detectors.learned.pixel_errors import pixel_errors
from adtrack.detectors.learned.pixel_spec import PixelSpec
from adtrack.detectors.learned.skip_ae import SkipAe, SkipAeSpec
from adtrack.detectors.learned.vae import Vae, VaeSpec
from adtrack.detectors.learned.variational_autoencoder import VariationalAutoencoder
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import VIEW_GRID
from tests.detectors.fitting import fitted

CPU, SIDE = torch.device("cpu"), 44
KINDS = {"pixel_ae": PixelAe, "skip_ae": SkipAe, "vae": Vae}
SPECS: dict[str, Callable[..., PixelSpec]] = {
    "pixel_ae": partial(PixelAeSpec, latent=4),
    "skip_ae": SkipAeSpec,
    "vae": partial(VaeSpec, latent=4),
}


def seen(side: int) -> Seen:
    return Seen({VIEW: (3, side, side)}, {VIEW: VIEW_GRID}, "", side)


def smooth_views(count: int, seed: int) -> np.ndarray:
    """Views in which two colours melt into each other, each at another angle."""
    draws = np.random.default_rng(seed)
    across = np.linspace(-1, 1, SIDE)
    angles, colours = draws.uniform(0, 2 * np.pi, count), draws.uniform(-0.3, 0.3, (count, 3, 1, 1))
    ramps = [np.cos(angle) * across[:, None] + np.sin(angle) * across for angle in angles]
    return (np.stack(ramps)[:, None] + colours).astype(np.float32)


def as_features(views: np.ndarray) -> FeatureSet:
    return FeatureSet("smooth", {VIEW: views}, {VIEW: VIEW_GRID}, CPU, SIDE)


def scored(detector: Any, views: np.ndarray) -> Scores:
    return detector.score({VIEW: torch.from_numpy(views)})


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One of each method, fitted to smooth views."""
    kept, views = tmp_path_factory.mktemp("kept"), as_features(smooth_views(20, 0))
    more = {"width": 8, "epochs": 30, "batch": 20, "lr": 5e-3, "patience": 30}
    return {method: fitted(views, make(**more), kept) for method, make in SPECS.items()}


GOOD = smooth_views(6, 1)
DEFECTIVE = GOOD.copy()
DEFECTIVE[:, :, 12:20, 24:32] += 1.5


@pytest.mark.parametrize("method", ["pixel_ae", "vae"])
def test_a_bright_square_is_found_where_it_is(method: str, detectors: dict[str, Any]) -> None:
    usual, found = (scored(detectors[method], views) for views in (GOOD, DEFECTIVE))
    assert found.image.min() > usual.image.max()
    for errors in found.patches:
        row, column = np.unravel_index(errors.argmax(), errors.shape)
        assert 8 <= row < 24 and 20 <= column < 36


def test_skip_connections_copy_most_of_it(detectors: dict[str, Any]) -> None:
    wrong = {name: scored(one, DEFECTIVE).patches[:, 12:20, 24:32].mean() for name, one in detectors.items()}
    assert wrong["skip_ae"] < wrong["pixel_ae"] / 2 and wrong["skip_ae"] < wrong["vae"] / 2


@pytest.mark.parametrize("side", [32, 63, 100])
@pytest.mark.parametrize("method", SPECS)
def test_views_may_have_any_size(method: str, side: int) -> None:
    learner = KINDS[method].learner_of(SPECS[method](width=2), seen(side)).eval().requires_grad_(False)
    views = {VIEW: torch.randn(2, 3, side, side), **learner.drawn(2, np.random.default_rng(0))}
    assert learner.drawing(views[VIEW]).shape == (2, 3, side, side) and learner(views).shape == (2,)
    assert learner.found({VIEW: views[VIEW][:1]}).cells.shape == (side, side)


def test_detail_goes_past_the_middle_by_skip_connections_alone() -> None:
    views = torch.randn(1, 3, 48, 48, requires_grad=True)
    for method in ("pixel_ae", "skip_ae"):
        learner = KINDS[method].learner_of(SPECS[method](width=2), seen(48)).eval()
        torch.nn.init.zeros_(learner.encoder.blocks[-1][0].weight)  # nothing passes the middle
        drawing = learner.drawing(views).sum()
        assert drawing.requires_grad
        (pull,) = torch.autograd.grad(drawing, views)
        assert bool(pull.any()) == (method == "skip_ae")


def test_errors_are_squared_differences_or_what_is_not_alike() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    draws = torch.Generator().manual_seed(0)
    drawn, views = torch.randn(2, 2, 3, 40, 40, generator=draws)
    squared = pixel_errors("mse", drawn, views, whole=True)
    assert torch.allclose(squared, ((drawn - views) ** 2).sum(dim=1) / 3)
    # ImageNet's mean and spread, since no other is ever used without a network.
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    colours = drawn * std + mean, views * std + mean
    _, alike = structural_similarity_index_measure(*colours, data_range=1.0, reduction=None, return_full_image=True)
    whole = pixel_errors("ssim", drawn, views, whole=True)
    assert torch.allclose(whole, 1 - alike.mean(dim=1), atol=1e-4)
    inside = pixel_errors("ssim", drawn, views, whole=False)
    assert torch.allclose(inside, whole[:, 5:-5, 5:-5], atol=1e-6)
    assert float(pixel_errors("ssim", views, views, whole=True).abs().max()) < 1e-5


def test_the_loss_of_the_variational_autoencoder_is_the_papers() -> None:
    torch.manual_seed(0)
    learner = VariationalAutoencoder(VaeSpec(latent=5, beta=3.0, width=2), seen(36)).eval()
    views = torch.randn(2, 3, 36, 36)
    noise = learner.drawn(2, np.random.default_rng(1))
    assert noise.keys() == {"noise"} and noise["noise"].shape == (2, 5, 3, 3)
    assert noise["noise"].equal(learner.drawn(2, np.random.default_rng(1))["noise"])

    maps = learner.encoder(views)
    mean, log_variance = learner.narrow(maps[-1]).chunk(2, dim=1)
    drawn = learner.decoder(learner.wide(mean + torch.exp(log_variance / 2) * noise["noise"]), maps)
    divergence = kl_divergence(Normal(mean, torch.exp(log_variance / 2)), Normal(0.0, 1.0)).sum(dim=(1, 2, 3))
    expected = (drawn - views).square().mean(dim=(1, 2, 3)) + 3.0 * divergence / (3 * 36 * 36)
    assert torch.allclose(learner({VIEW: views, **noise}), expected, rtol=1e-5)
    # A score has nothing random in it: that of the means.
    assert torch.equal(learner.drawing(views), learner.decoder(learner.wide(mean), maps))


def test_they_may_be_built_for_drift() -> None:
    spec = VaeSpec(smooth=1.5, augment=2)
    assert spec.draws == ("train_draw1", "train_draw2") and spec.view(ImageSpec(64, 0)) == ImageSpec(64, 0, smooth=1.5)
    assert spec.inputs == (VIEW,) and not hasattr(spec, "layers") and not hasattr(spec, "standardise")


@pytest.mark.parametrize(
    ("kind", "name", "value", "sentence"),
    [
        (PixelAeSpec, "loss", "l1", "loss must be mse or ssim, but got 'l1'"),
        (SkipAeSpec, "loss", "", "loss must be mse or ssim"),
        (PixelAeSpec, "latent", 0, "pixel latent must be a whole number of at least 1"),
        (SkipAeSpec, "width", 2000, "pixel width must be a whole number of at most 1024"),
        (VaeSpec, "beta", -1.0, r"beta must be in \[0, 1000\]"),
    ],
)
def test_other_values_are_refused(
    kind: type[PixelSpec], name: str, value: object, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence):
        kind(**{name: value})
