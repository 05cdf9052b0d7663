"""What auto means: layers by network and method, and the same digests as with these layers typed."""

import pytest

from adtrack.config import RESNET_LAYERS, DetectorSpec, digest
from adtrack.detectors import make_spec
from adtrack.detectors.knn import KnnSpec
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.features.networks import Network
from adtrack.features.usual_layers import settled
from adtrack.tuning.space import Space


@pytest.mark.parametrize(
    ("network", "patches", "image"),
    [
        ("resnet50", ("layer2", "layer3"), ("layer4",)),
        ("squeezenet1_1", ("features.7", "features.12"), ("features.12",)),
        ("googlenet", ("inception3b", "inception4e"), ("inception5b",)),
        ("timm/resnet18", ("layer2", "layer3"), ("layer4",)),
        ("timm/tf_efficientnet_lite0", ("blocks.2", "blocks.4"), ("blocks.6",)),
        ("timm/vit_small_patch14_dinov2", ("blocks.6.norm", "blocks.9.norm", "blocks.11.norm"), ("cls",)),
        ("timm/vit_base_patch16_siglip_224", ("blocks.6.norm", "blocks.9.norm", "blocks.11.norm"), ("blocks.11.norm",)),
    ],
)
def test_each_network_has_its_own(network: str, patches: tuple[str, ...], image: tuple[str, ...]) -> None:
    found = Network(network).layers
    assert (found.patches.usual, found.images.usual) == (patches, image)
    for choice in (found.patches, found.images):
        assert choice.usual in choice.tried and len(set(choice.tried)) == len(choice.tried)
        assert Network(network).blank(sorted({layer for layers in choice.tried for layer in layers})) is not None


@pytest.mark.parametrize(
    ("method", "spec"), [("patchcore", PatchCoreSpec()), ("padim", PadimSpec()), ("knn", KnnSpec())]
)
def test_auto_is_the_specification_with_the_layers_typed(method: str, spec: DetectorSpec) -> None:
    asked = make_spec(method, {})
    assert asked.inputs == ("auto",) and make_spec(method, {"layers": "auto"}) == asked
    assert settled(asked, "resnet18") == spec and digest(settled(asked, "resnet18")) == digest(spec)
    typed = make_spec(method, {"layers": "layer1"})
    assert settled(typed, "resnet18") is typed


def test_a_study_tries_the_layers_of_its_network() -> None:
    usual = Space.of(PatchCoreSpec, {"layers": "auto"})
    assert usual.on("resnet18") == Space.of(PatchCoreSpec)
    assert usual.on("timm/tf_efficientnet_lite0").values["layers"] == ("blocks.2", "blocks.2+blocks.4", "blocks.4")
    assert Space.of(KnnSpec, {"layers": "auto"}).on("resnet18") == Space.of(KnnSpec)
    more = Space.of(PatchCoreSpec, {"layers": "layer1,layer2,auto"}).on("resnet18")
    assert more.values["layers"] == ("layer1", "layer2", "layer2+layer3", "layer3")
    typed = Space.of(PatchCoreSpec, {"layers": "layer1"})
    assert typed.on("squeezenet1_1") is typed


def test_a_network_without_stages_is_answered() -> None:
    with pytest.raises(UserError, match=r"layers must be named where a network shows no stages.*layers=NAME"):
        _ = Network("regnet_y_400mf").layers
    assert Network("resnet18").layers == RESNET_LAYERS
