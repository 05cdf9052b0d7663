"""What adtrack asks of a library of networks. Another library is one more class, and one more line in ``LIBRARIES``."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from torch import Tensor, nn

from ...config import Normalisation
from ..grids import Grid, measure_grids


class NetworkLibrary(ABC):
    """The networks of one Python library, by the names that the library gives them.

    ``title`` is what people call the library.
    """

    title: str

    @abstractmethod
    def names(self) -> Collection[str]:
        """The networks that ``build`` knows."""

    @abstractmethod
    def build(self, name: str) -> nn.Module:
        """The whole network with the library's own random initialisation, in eval mode. UserError: there is none.

        It is also called while ``torch.device("meta")`` holds; a network that cannot be built so raises
        NotImplementedError.
        """

    @abstractmethod
    def cut(self, network: nn.Module, layers: Sequence[str]) -> nn.Module:
        """The part of a built network that computes ``layers``: (n, 3, S, S) → {layer: (n, C, h, w)}.

        It shares its tensors with the network, by the same names. UserError: a layer is unknown.
        """

    def grids(self, network: nn.Module, layers: Sequence[str]) -> dict[str, Grid]:
        """Where the cells of ``layers`` lie in the view. The values of the cut ``network`` may be overwritten."""
        return measure_grids(network, layers)

    @abstractmethod
    def normalisation(self, name: str) -> Normalisation:
        """How the network's training pictures were normalised."""

    @abstractmethod
    def pretrained(self, name: str) -> tuple[dict[str, Tensor], str]:
        """The weights that the library offers for the network, by the names of its tensors, and what to call them.

        OSError, HTTPException or RuntimeError: they can neither be downloaded nor read. UserError: it offers none.
        """
