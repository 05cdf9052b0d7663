"""Networks as users name them."""

import pytest

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.lab.networks import NamedNetwork, parse_networks, parse_trunks


def test_a_network_may_name_layers_and_weights() -> None:
    text = "resnet18, squeezenet1_1:features.5+features.8=a/b.pth,timm/net.tag=models:/adtrack-trunk-part@champion"
    assert parse_networks(text, "imagenet", 3) == (
        NamedNetwork("resnet18", BackboneSpec("resnet18", "imagenet", 3)),
        NamedNetwork("squeezenet1_1", BackboneSpec("squeezenet1_1", "a/b.pth", 3), ("features.5", "features.8")),
        NamedNetwork("timm/net.tag", BackboneSpec("timm/net.tag", "models:/adtrack-trunk-part@champion", 3)),
    )


def test_a_network_that_is_named_twice_is_told_apart_by_layers_and_weights() -> None:
    found = parse_networks("resnet18=x/a.pth,resnet18:layer2=x/a.pth,resnet34", "random", 0)
    assert [one.name for one in found] == ["resnet18 a.pth", "resnet18 layer2 a.pth", "resnet34"]


@pytest.mark.parametrize("text", ["", "resnet18,", "=a.pth", "resnet18,resnet18", ":layer2"])
def test_networks_without_a_name_and_repeated_ones_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="backbones must be different networks joined by commas"):
        parse_networks(text, "imagenet", 0)


def test_trunks_are_weights_of_one_network_under_names_of_their_own() -> None:
    assert parse_trunks("rotation=a.pth,mine=models:/adtrack-trunk-part/2", "resnet18", 3) == (
        NamedNetwork("rotation", BackboneSpec("resnet18", "a.pth", 3)),
        NamedNetwork("mine", BackboneSpec("resnet18", "models:/adtrack-trunk-part/2", 3)),
    )
    with pytest.raises(UserError, match="trunks must be different name=value pairs joined by commas"):
        parse_trunks("a.pth", "resnet18", 3)
