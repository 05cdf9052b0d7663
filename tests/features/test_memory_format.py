"""Views lie in memory as a network learns fastest, unless torch would die of it."""

import pytest
import torch

from adtrack.features.memory_format import fastest_format
from adtrack.features.networks import Network


@pytest.mark.parametrize(
    ("network", "layer", "expected"),
    [("timm/repvgg_a0", "stages.0", torch.contiguous_format), ("resnet18", "layer1", torch.channels_last)],
)
def test_views_keep_their_channels_first_where_torch_would_die(
    network: str, layer: str, expected: torch.memory_format
) -> None:
    assert fastest_format(Network(network).blank((layer,))) == expected
