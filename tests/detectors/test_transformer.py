"""Every method of patches keeps the contract on the tokens of a transformer, too."""

from collections.abc import Callable

import pytest
import torch

from adtrack.config import BackboneSpec
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import FeatureSet
from adtrack.features.weights import load_trunk
from tests.detectors.contract import ContractTests

LAYERS = ("blocks.0", "blocks.2.norm")
SIDE = 96  # pixels of a view: 6 × 6 patches


@pytest.fixture(scope="module")
def synthetic() -> Callable[..., FeatureSet]:
    """Makes a feature set of ``count`` random views, as a transformer sees them."""
    spec = BackboneSpec("timm/vit_tiny_patch16_224", "random", 1)
    backbone = Backbone(load_trunk(spec, LAYERS, "demo"), LAYERS, torch.device("cpu"))

    def make(count: int = 6, seed: int = 0, scale: float = 1.0) -> FeatureSet:
        views = scale * torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
        layers = {layer: output.numpy() for layer, output in backbone(views).items()}
        return FeatureSet(f"tokens {count} {seed} {scale}", layers, backbone.grids, backbone.device, SIDE)

    return make


class TestPatchCore(ContractTests):
    spec = PatchCoreSpec(LAYERS, coreset_fraction=0.25)


class TestPadim(ContractTests):
    spec = PadimSpec(LAYERS, dimensions=7)
