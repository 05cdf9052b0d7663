"""torchvision's classification networks: built by name, cut after named layers."""

import functools
from collections.abc import Sequence

import torch
import torchvision
from torch import nn
from torch.fx import GraphModule
from torchvision.models.feature_extraction import create_feature_extractor

from ..errors import UserError

_TRANSFORMERS = ("vit_", "swin_", "maxvit_")  # no grids of patches (n, C, h, w), and only one size of view


@functools.cache
def _classifiers() -> frozenset[str]:
    names = torchvision.models.list_models(module=torchvision.models)
    return frozenset(name for name in names if not name.startswith(_TRANSFORMERS))


def build_network(name: str) -> nn.Module:
    """The torchvision classification network ``name``, with torchvision's own initialisation, in eval mode."""
    if name not in _classifiers():
        raise UserError(
            f"backbone must be a convolutional torchvision classification network, but got {name!r}.",
            "resnet50, resnet18, resnet34, wide_resnet50_2 and squeezenet1_1 are well tried.",
        )
    # These two warn unless they are told to initialise the way they always did.
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **options).eval()


def layer_names(network: nn.Module) -> list[str]:
    """Names that a user may put into ``layers``: the network's top parts, and the steps of a ``features`` stack."""
    names = []
    for name, child in network.named_children():
        names.append(name)
        if name == "features":
            names += [f"{name}.{step}" for step, _ in child.named_children()]
    return names


def cut_network(network: nn.Module, layers: Sequence[str]) -> GraphModule:
    """The part of ``network`` that computes ``layers``: (n, 3, S, S) → {layer: (n, C, h, w)}."""
    known = dict(network.named_modules())
    for layer in layers:
        if not layer or layer not in known:
            raise UserError(f"layer must be one of {', '.join(layer_names(network))}, but got {layer!r}.")
    return create_feature_extractor(network, return_nodes=list(layers), suppress_diff_warning=True).eval()


def blank_network(name: str, layers: Sequence[str]) -> GraphModule:
    """The cut network without values in its weights, which costs neither memory nor the time to draw them."""
    try:
        with torch.device("meta"):
            network = build_network(name)
    except NotImplementedError:  # a few networks compute their widths with tensors, and a meta tensor has no value
        network = build_network(name).to("meta")
    return cut_network(network, layers)


def cut_shapes(name: str, layers: Sequence[str]) -> dict[str, torch.Size]:
    """Names and shapes of the tensors that ``layers`` depend on: what a trunk must hold."""
    return {key: tensor.shape for key, tensor in blank_network(name, layers).state_dict().items()}
