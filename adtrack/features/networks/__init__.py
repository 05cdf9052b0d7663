"""Networks by their names, whichever library they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...config import Normalisation
from ..grids import Grid
from .interface import NetworkLibrary
from .lean import Undrawn
from .torchvision import Torchvision

# By the prefix of the networks' names: timm/NAME would be one of "timm". Names without a prefix are torchvision's.
LIBRARIES: dict[str, NetworkLibrary] = {"": Torchvision()}


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

    def blank(self, layers: Sequence[str]) -> nn.Module:
        """The network cut after ``layers``, without values: they cost neither memory nor the time to draw them."""
        try:
            with torch.device("meta"), Undrawn():
                network = self.build()
        except NotImplementedError:  # a few networks compute their widths with tensors, and a meta tensor has no value
            network = self.build().to("meta")
        return self.library.cut(network, layers)

    def shapes(self, layers: Sequence[str]) -> dict[str, torch.Size]:
        """Names and shapes of the tensors that ``layers`` depend on: what a trunk must hold."""
        return {key: tensor.shape for key, tensor in self.blank(layers).state_dict().items()}

    def grids(self, layers: Sequence[str]) -> dict[str, Grid]:
        """Where the cells of ``layers`` lie in the view."""
        network = self.blank(layers)
        # Module.to_empty does the same, but imports sympy for it.
        values = {name: torch.empty(blank.shape, dtype=blank.dtype) for name, blank in network.state_dict().items()}
        network.load_state_dict(values, assign=True)
        return self.library.grids(network, layers)

    @property
    def normalisation(self) -> Normalisation:
        """How its training pictures were normalised."""
        library, name = self._found
        return library.normalisation(name)

    def pretrained(self) -> tuple[dict[str, Tensor], str]:
        """The weights that its library offers, and what to call them; errors as of ``NetworkLibrary.pretrained``."""
        library, name = self._found
        return library.pretrained(name)


def known_networks() -> list[str]:
    """The names of all networks of all libraries."""
    return [
        f"{prefix}/{name}" if prefix else name
        for prefix, library in LIBRARIES.items()
        for name in sorted(library.names())
    ]
