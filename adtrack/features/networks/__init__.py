"""Networks by their names, whichever library they come from."""

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...config import NetworkLayers, Normalisation
from ..grids import Grid
from .interface import NetworkLibrary
from .lean import undrawn
from .timm import Timm
from .torchvision import Torchvision

# By the prefix of the networks' names: timm/NAME is one of timm's. Names without a prefix are torchvision's.
LIBRARIES: dict[str, NetworkLibrary] = {"": Torchvision(), "timm": Timm()}


@dataclass(frozen=True)
class Network:
    """A network by its name: ``NAME`` for one of torchvision, ``LIBRARY/NAME`` for one of another library."""

    name: str

    @property
    def library(self) -> NetworkLibrary:
        """The library that it belongs to; torchvision, which refuses it, where no library has its prefix."""
        return self._found[0]

    @property
    def _found(self) -> tuple[NetworkLibrary, str]:
        """The library and the name that the network has there."""
        prefix, _, own_name = self.name.partition("/")
        if prefix and own_name and prefix in LIBRARIES:
            return LIBRARIES[prefix], own_name
        return LIBRARIES[""], self.name

    def build(self) -> nn.Module:
        """The whole network with its library's random initialisation, in eval mode. UserError: it is unknown."""
        library, name = self._found
        return library.build(name)

    def _whole(self) -> nn.Module:
        """The whole network without values: they cost neither memory nor the time to draw them."""
        try:
            with torch.device("meta"), undrawn():
                return self.build()
        except RuntimeError:  # a few networks compute their widths with tensors, and a meta tensor has no value
            with torch.device("cpu"):
                return self.build().to("meta")

    def blank(self, layers: Sequence[str]) -> nn.Module:
        """The network cut after ``layers``, without values."""
        return self.library.cut(self._whole(), layers)

    def fresh(self, layers: Sequence[str]) -> nn.Module:
        """The network cut after ``layers`` with its library's random initialisation; without values on the meta
        device."""
        if torch.get_default_device().type == "meta":
            return self.blank(layers)
        return self.library.cut(self.build(), layers)

    @property
    def layers(self) -> NetworkLayers:
        """Its layers for users who name none."""
        return _layers(self)

    def filled(self, layers: Sequence[str], values: Mapping[str, Tensor]) -> nn.Module:
        """The network cut after ``layers`` with the values of its tensors, by their names."""
        network = self.blank(layers)
        network.load_state_dict(values, assign=True)
        if any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers())):
            # It also holds tensors that are no part of its state, but are computed when it is built.
            with undrawn():
                network = self.library.cut(self.build(), layers)
            network.load_state_dict(values, assign=True)
        return network

    def shapes(self, layers: Sequence[str]) -> dict[str, torch.Size]:
        """Names and shapes of the tensors that ``layers`` depend on: what a trunk must hold."""
        return {key: tensor.shape for key, tensor in self.blank(layers).state_dict().items()}

    def grids(self, layers: Sequence[str]) -> dict[str, Grid]:
        """Where the cells of ``layers`` lie in the view."""
        # Module.to_empty does the same, but imports sympy for it.
        values = {name: torch.empty(shape) for name, shape in self.shapes(layers).items()}
        return self.library.grids(self.filled(layers, values), layers)

    def check_size(self, network: nn.Module, size: int) -> None:
        """Raise UserError if ``network``, a cut of this one, takes no views of ``size``² pixels."""
        self.library.check_size(network, size)

    @property
    def normalisation(self) -> Normalisation:
        """How its training pictures were normalised."""
        library, name = self._found
        return library.normalisation(name)

    @property
    def interpolation(self) -> str:
        """How its training pictures were brought to their size."""
        library, name = self._found
        return library.interpolation(name)

    @property
    def licence(self) -> str:
        """The licence of the weights that its library offers; "" if the library does not say."""
        library, name = self._found
        return library.licence(name)

    def pretrained(self) -> tuple[dict[str, Tensor], str]:
        """The weights that its library offers, and what to call them; errors as of ``NetworkLibrary.pretrained``."""
        library, name = self._found
        return library.pretrained(name)


def settled(module: nn.Module, size: int) -> nn.Module:
    """A copy of a module that holds networks, on the CPU, for views of ``size``² pixels alone.

    Other runtimes shall not compute anew for each view what depends on its size only. Some of them have no antialiasing
    either, with which a transformer's position embedding is brought to the size of its grid.
    """
    copied = copy.deepcopy(module).cpu().to(memory_format=torch.contiguous_format)
    for part in list(copied.modules()):
        for library in LIBRARIES.values():
            library.settle(part, size)
    return copied


@functools.cache
def _layers(network: Network) -> NetworkLayers:
    return network.library.layers(network._whole())
