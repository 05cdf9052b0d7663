"""What a user means who names no layers: those that suit the network and the method."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ..config import DetectorSpec, LayersSpec
from ..threshold_spec import AUTO
from .networks import Network

Spec = TypeVar("Spec", bound=DetectorSpec)


def settled(spec: Spec, network: str) -> Spec:
    """The specification with the layers that it means behind the network of that name."""
    if not isinstance(spec, LayersSpec) or spec.layers != (AUTO,):
        return spec
    return replace(spec, layers=spec.choice(Network(network).layers).usual)


def tried_layers(kind: type[LayersSpec], network: str) -> Sequence[tuple[str, ...]]:
    """The combinations of the network's layers that a study of this method tries."""
    return kind.choice(Network(network).layers).tried
