"""torchvision's convolutional classification networks."""

import contextlib
import functools
import io
import math
import sys
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from ...config import RESNET_LAYERS, NetworkLayers, Normalisation
from ...errors import UserError
from .interface import NetworkLibrary
from .lean import without_compiler
from .stages import convolutional_layers

with without_compiler():
    import torchvision
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

_SIDE = 512  # pixels of a view in which the strides of layers show
_TRANSFORMERS = ("vit_", "swin_", "maxvit_")  # they have no grids of patches (n, C, h, w), and one size of view


class Torchvision(NetworkLibrary):
    """torchvision's classification networks whose layers are grids of patches."""

    title = "torchvision"

    def names(self) -> Collection[str]:
        """The networks that ``build`` knows."""
        return _classifiers()

    def build(self, name: str) -> nn.Module:
        """The network with torchvision's own initialisation."""
        if name not in _classifiers():
            raise UserError(
                f"backbone must be a convolutional torchvision classification network, but got {name!r}.",
                "resnet50, resnet18, wide_resnet50_2 and squeezenet1_1 are well tried; timm/NAME is one of timm's.",
            )
        # These two warn unless they are told to initialise the way they always did.
        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
        return network.eval()

    def cut(self, network: nn.Module, layers: Sequence[str]) -> nn.Module:
        """The part that computes the layers, as torchvision's feature extraction traces it."""
        known = dict(network.named_modules())
        for layer in layers:
            if not layer or layer not in known:
                raise UserError(f"layer must be one of {', '.join(layer_names(network))}, but got {layer!r}.")
        part: nn.Module = create_feature_extractor(network, return_nodes=list(layers), suppress_diff_warning=True)
        return part.eval()

    def layers(self, network: nn.Module) -> NetworkLayers:
        """layer2 and layer3 of a ResNet; of others the ends of the stages at strides 8 and 16."""
        names = layer_names(network)
        if {"layer2", "layer3", "layer4"} <= set(names):
            return RESNET_LAYERS
        inside = [name for name in names if name.startswith("features.")] or names
        nodes = get_graph_node_names(network, suppress_diff_warning=True)[1]
        used = [name for name in inside if any(node == name or node.startswith(f"{name}.") for node in nodes)]
        outputs = self.cut(network, used)(torch.empty(1, 3, _SIDE, _SIDE, device="meta"))
        sides = {name: output.shape[-1] for name, output in outputs.items() if output.ndim == 4}
        return convolutional_layers({name: 2 ** round(math.log2(_SIDE / side)) for name, side in sides.items()})

    def normalisation(self, name: str) -> Normalisation:
        """ImageNet's: all of them were trained on it."""
        return Normalisation()

    def pretrained(self, name: str) -> tuple[dict[str, Tensor], str]:
        """torchvision's V1 weights, downloaded once; torchvision checks the hash in their name."""
        known = {weights.name: weights for weights in torchvision.models.get_model_weights(name)}
        if "IMAGENET1K_V1" not in known:
            raise UserError(f"weights imagenet must exist as torchvision's V1, but {name} has {', '.join(known)}.")
        weights = known["IMAGENET1K_V1"]
        with contextlib.redirect_stdout(io.StringIO()):  # torch writes "Downloading" before it knows whether it can
            tensors = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
        return dict(tensors), f"torchvision {weights}"


@functools.cache
def _classifiers() -> frozenset[str]:
    names = torchvision.models.list_models(module=torchvision.models)
    return frozenset(name for name in names if not name.startswith(_TRANSFORMERS))


def layer_names(network: nn.Module) -> list[str]:
    """Names that a user may put into ``layers``: the network's top parts, and the steps of a ``features`` stack."""
    names = []
    for name, child in network.named_children():
        names.append(name)
        if name == "features":
            names += [f"{name}.{step}" for step, _ in child.named_children()]
    return names
