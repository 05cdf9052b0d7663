"""From pixel to heat: a bright spot in an image is hottest in the anomaly map where it is in the image."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.data.loading import view
from adtrack.detectors.maps import anomaly_map
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import FeatureSet
from adtrack.features.weights import Trunk, load_trunk
from tests.detectors.fitting import fitted

VIEW = ImageSpec(256, 224)


def picture(height: int, width: int, seed: int, spot: tuple[float, float] | None = None) -> np.ndarray:
    """Faint noise, uint8 (height, width, 3), with a soft spot that is round in the view, at source pixel ``spot``."""
    draws = np.random.default_rng(seed)
    plane = 110 + 3 * draws.standard_normal((height, width))
    if spot is not None:
        rows, columns = np.ogrid[:height, :width]
        squares = ((rows - spot[0]) * 256 / height) ** 2 + ((columns - spot[1]) * 256 / width) ** 2
        plane += 120 * np.exp(-squares / (2 * 3.0**2))
    return np.repeat(np.clip(plane, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def mirrored(trunk: Trunk) -> Trunk:
    """The trunk with every kernel averaged with its mirror images. Random kernels look off their centre, each network
    in a direction of its own, by a pixel or two; what then remains is where the cells lie."""

    def even(kernel: torch.Tensor) -> torch.Tensor:
        return (kernel + kernel.flip(-1) + kernel.flip(-2) + kernel.flip(-1, -2)) / 4 if kernel.ndim == 4 else kernel

    return dataclasses.replace(trunk, tensors={name: even(tensor) for name, tensor in trunk.tensors.items()})


def fit(backbone: Backbone, height: int, width: int, folder: Path) -> PatchCore:
    views = torch.stack([view(picture(height, width, seed), VIEW) for seed in range(5)])
    layers = {layer: output.numpy() for layer, output in backbone(views).items()}
    features = FeatureSet("plain", layers, backbone.grids, backbone.device, VIEW.size)
    return fitted(features, PatchCoreSpec(backbone.layers, 3, coreset_fraction=0.05), folder)


@pytest.mark.parametrize(
    ("network", "layers", "height", "width"),
    [
        ("resnet18", ("layer2", "layer3"), 256, 256),
        ("resnet18", ("layer2", "layer3"), 300, 200),
        ("squeezenet1_1", ("features.6",), 300, 200),
        ("convnext_tiny", ("features.1",), 200, 300),
        ("timm/tf_efficientnet_lite0", ("blocks.2",), 300, 200),
    ],
)
def test_a_spot_is_hottest_where_it_is(
    network: str, layers: tuple[str, ...], height: int, width: int, tmp_path: Path
) -> None:
    trunk = load_trunk(BackboneSpec(network, "random", 3), layers, "demo")
    backbone = Backbone(mirrored(trunk), layers, torch.device("cpu"))
    detector = fit(backbone, height, width, tmp_path)
    errors = []
    for number, (y, x) in enumerate(np.random.default_rng(0).uniform(0.2, 0.8, (16, 2))):
        spot = (y * height, x * width)
        scores = detector.score(backbone(view(picture(height, width, 100 + number, spot), VIEW)[None]))
        heat = anomaly_map(scores.patches[0], detector.grid, VIEW, height, width)
        peak = np.unravel_index(np.nanargmax(heat), heat.shape)
        errors.append((np.array(peak) - spot) * 256 / (height, width))  # in pixels of the view
    assert np.abs(errors).mean() < 1 and (np.abs(np.mean(errors, axis=0)) < 0.5).all(), errors
