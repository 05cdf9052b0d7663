"""Networks: torchvision's by name, cut after named layers, built without values."""

import pytest
import torch

from adtrack.errors import UserError
from adtrack.features.networks import Network
from adtrack.features.networks.torchvision import Torchvision, layer_names


@pytest.mark.parametrize("name", ["resnet999", "", "get_model", "fcn_resnet50", "quantized_resnet18", "resnet18; rm"])
def test_an_unknown_backbone_is_named(name: str) -> None:
    with pytest.raises(
        UserError, match=r"convolutional torchvision classification network, but got .*resnet50, resnet18"
    ):
        Network(name).build()


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "swin_v2_t", "maxvit_t"])
def test_transformers_have_no_grid_of_patches(name: str) -> None:
    with pytest.raises(UserError, match=f"convolutional.*but got {name!r}"):
        Network(name).blank(["features"])


@pytest.mark.parametrize("layer", ["layer9", "", "layer2.", "conv1 "])
def test_an_unknown_layer_is_answered_with_the_layers(layer: str) -> None:
    with pytest.raises(
        UserError, match=r"layer must be one of conv1, bn1, .*layer1, layer2, layer3, layer4, .*but got"
    ):
        Network("resnet18").blank(["layer1", layer])


def test_the_steps_of_a_features_stack_are_layers() -> None:
    with torch.device("meta"):
        names = layer_names(Network("squeezenet1_1").build())
    assert names[:3] == ["features", "features.0", "features.1"] and "features.12" in names and "classifier" in names


def test_a_cut_network_gives_the_whole_ones_activations() -> None:
    torch.manual_seed(0)
    network = Network("resnet18").build()
    views = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        stem = network.maxpool(network.relu(network.bn1(network.conv1(views))))
        first = network.layer1(stem)
        third = network.layer3(network.layer2(first))
        outputs = Torchvision().cut(network, ["layer1", "layer3"])(views)
    assert list(outputs) == ["layer1", "layer3"]
    assert outputs["layer1"].equal(first) and outputs["layer3"].equal(third)


def test_a_blank_network_has_no_values_and_no_deeper_layers() -> None:
    network = Network("resnet18").blank(["layer2"])
    assert not network.training and all(tensor.is_meta for tensor in network.state_dict().values())
    shapes = Network("resnet18").shapes(["layer2"])
    assert shapes["layer2.1.conv2.weight"] == (128, 128, 3, 3)
    assert not any(name.startswith(("layer3", "layer4", "fc")) for name in shapes)
    assert set(shapes) == set(Network("resnet18").shapes(["layer1", "layer2"]))


@pytest.mark.parametrize(
    ("name", "layer"), [("regnet_y_400mf", "trunk_output"), ("googlenet", "inception4a"), ("inception_v3", "Mixed_5b")]
)
def test_networks_with_habits_of_their_own_can_be_built(
    name: str, layer: str, recwarn: pytest.WarningsRecorder
) -> None:
    assert Network(name).shapes([layer])
    assert not [warning for warning in recwarn if "init" in str(warning.message)]
