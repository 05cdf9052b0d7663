"""A network that solves a task with the mean of its deepest layer's cells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..config import VIEW
from ..errors import UserError
from ..features.backbone import filled
from ..features.memory_format import fastest_format
from ..features.networks import Network
from ..features.weights import Trunk
from .spec import ALL, DEEPEST, FineTuneSpec


class PooledNetwork(nn.Module):
    """Views {VIEW: (n, 3, S, S)} → what ``head`` makes of the means of the layer's channels.

    Batch norm stays in eval mode, with the statistics of the pretraining: batches of a few images of one product would
    give other statistics at every step, detectors use the network in eval mode with single images, and rows of a batch
    must not depend on each other.
    """

    def __init__(self, network: nn.Module, layer: str, head: nn.Module) -> None:
        super().__init__()
        self.network, self.layer, self.head = network, layer, head
        self._format = fastest_format(network)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The head's outputs, a row for each view."""
        views = inputs[VIEW].contiguous(memory_format=self._format)
        cells: Tensor = self.network(views)[self.layer]
        outputs: Tensor = self.head(cells.mean((2, 3)))
        return outputs


def pooled_network(trunk: Trunk, spec: FineTuneSpec, size: int, outputs: int, hidden: int = 0) -> PooledNetwork:
    """The trunk's network up to the deepest layer of ``spec`` with a new head, of which the free layers may learn.

    Views are of ``size``². The head is linear, or has one hidden layer of this width. The trunk itself is not changed.
    """
    layer = deepest(trunk.network, spec.layers)
    own = replace(trunk, tensors={name: tensor.clone() for name, tensor in trunk.tensors.items()})
    network = filled(own, (layer,), torch.device("cpu"))
    freed = 0
    for name, tensor in _weights(network).items():
        if _is_free(name, layer, spec.free):
            tensor.requires_grad_(True)
            freed += 1
    if not freed:
        raise UserError(
            f"free must name layers with weights up to {layer}, but {'+'.join(spec.free)} has none.",
            f"the network has {', '.join(_parts(network))}; {ALL} frees all.",
        )
    with torch.no_grad():
        shape = network(torch.zeros(1, 3, size, size))[layer].shape
    if len(shape) != 4:
        raise UserError(f"layer must give a grid of patches, but {layer} gives shape {tuple(shape[1:])}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        widths = [shape[1], hidden, outputs] if hidden else [shape[1], outputs]
        linear = [nn.Linear(*pair) for pair in pairwise(widths)]
    head = nn.Sequential(*[part for one in linear for part in (one, nn.ReLU())][:-1])
    return PooledNetwork(network, layer, head)


def deepest(network: str, layers: Sequence[str]) -> str:
    """The layer that depends on most of the network's tensors."""
    return max(layers, key=lambda layer: len(Network(network).shapes([layer])))


def trained_trunk(trunk: Trunk, module: PooledNetwork, origin: str) -> Trunk:
    """The trunk with the weights that its network has learnt."""
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.network.state_dict().items()
    }
    return replace(trunk, tensors={**trunk.tensors, **state}, origin=origin, asked="")


def _is_free(name: str, deepest_layer: str, free: Sequence[str]) -> bool:
    names = [deepest_layer if one == DEEPEST else one for one in free]
    return ALL in names or any(name.startswith(f"{one}.") for one in names)


def _parts(network: nn.Module) -> list[str]:
    """The names of the parts that hold weights: those of the outermost modules, and of the steps of a stack."""
    paths = [name.split(".")[:-1] for name in _weights(network)]
    return list(dict.fromkeys(".".join(path[: 2 if path[1:] and path[1].isdigit() else 1]) for path in paths if path))


def _weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by the names that trunks have for them."""
    state = network.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, nn.Parameter)}
