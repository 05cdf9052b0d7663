"""What adtrack asks of a library of networks. Another library is one more class, and one more line in ``LIBRARIES``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from ...config import BILINEAR, NetworkLayers, Normalisation
from ..grids import Grid, measure_grids


class NetworkLibrary(ABC):
    """The networks of one Python library, by the names that the library gives them.

    ``title`` is what people call the library, and ``requires`` are the packages that its networks need in addition to
    those of all models.
    """

    title: str
    requires: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def build(self, name: str) -> nn.Module:
        """The whole network with the library's own random initialisation, in eval mode. UserError: there is none.

        It is also called while ``torch.device("meta")`` holds; a network that cannot be built so raises
        RuntimeError, as torch does where a value is asked for, and is built once more with its values.
        """

    @abstractmethod
    def cut(self, network: nn.Module, layers: Sequence[str]) -> nn.Module:
        """The part of a built network that computes ``layers``: (n, 3, S, S) → {layer: (n, C, h, w)}.

        It shares its tensors with the network, by the same names; the network may be changed by the cut. A layer
        without a place in the view, such as a transformer's class token, gives (n, C, 1, 1). UserError: a layer is
        unknown.
        """

    @abstractmethod
    def layers(self, network: nn.Module) -> NetworkLayers:
        """The layers of a built network that serve users who name none. Its tensors may be without values. UserError:
        none can be told."""

    def grids(self, network: nn.Module, layers: Sequence[str]) -> dict[str, Grid]:
        """Where the cells of ``layers`` lie in the view. The values of the cut ``network`` may be overwritten."""
        return measure_grids(network, layers)

    def check_size(self, network: nn.Module, size: int) -> None:  # noqa: B027 - most networks take views of any size
        """Raise UserError if the cut ``network`` takes no views of ``size``² pixels."""

    def settle(self, module: nn.Module, size: int) -> None:  # noqa: B027 - most networks compute nothing for a size
        """If ``module`` is a cut network, let it compute once and for all what it needs for views of ``size``² pixels,
        which are the only ones that it gets from now on."""

    @abstractmethod
    def normalisation(self, name: str) -> Normalisation:
        """How the network's training pictures were normalised."""

    def interpolation(self, name: str) -> str:
        """How the network's training pictures were brought to their size: one of ``config.INTERPOLATIONS``."""
        return BILINEAR

    def licence(self, name: str) -> str:
        """The licence of the weights that ``pretrained`` gives; "" if the library does not say."""
        return ""

    @abstractmethod
    def pretrained(self, name: str) -> tuple[dict[str, Tensor], str]:
        """The weights that the library offers for the network, by the names of its tensors, and what to call them.

        OSError, HTTPException or RuntimeError: they can neither be downloaded nor read. UserError: it offers none.
        """
