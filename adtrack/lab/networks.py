"""Networks that an experiment compares, as a user names them: ``resnet18:layer2+layer3=trunk.pth``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.settings import parse_layers, parse_pairs


@dataclass(frozen=True)
class NamedNetwork:
    """A network with its weights, under the name that tables have for it.

    Without ``layers`` the methods name them. A network that was trained for one class has its ``class_name``: then
    there is one of the same name for every other class.
    """

    name: str
    backbone: BackboneSpec
    layers: tuple[str, ...] = ()
    class_name: str = ""


def parse_networks(text: str, weights: str, seed: int) -> tuple[NamedNetwork, ...]:
    """``NAME[:LAYERS][=WEIGHTS]`` joined by commas. A network that names no weights has these ``weights``.

    UserError: a network has no name, or is named twice with the same layers and weights.
    """
    parts = [part.strip() for part in text.split(",")]
    found = [_parse(part, weights, seed) for part in parts]
    if len(set(found)) < len(found) or not all(network.name for network in found):
        raise UserError(
            f"backbones must be different networks joined by commas, but got {text!r}.",
            "resnet18=trunk.pth,squeezenet1_1 names two.",
        )
    return _told_apart(found)


def parse_trunks(text: str, backbone: str, seed: int) -> tuple[NamedNetwork, ...]:
    """``NAME=WEIGHTS`` joined by commas: weights of the network ``backbone``, under names of the user's own."""
    pairs = parse_pairs(text, "trunks", ",", "rotation=a.safetensors,cutmix=models:/adtrack-trunk-zipper/2")
    return tuple(NamedNetwork(name, BackboneSpec(backbone, weights, seed)) for name, weights in pairs.items())


def _parse(part: str, weights: str, seed: int) -> NamedNetwork:
    network, _, own = part.partition("=")
    name, colon, layers = network.partition(":")
    return NamedNetwork(
        name.strip(), BackboneSpec(name.strip(), own.strip() or weights, seed), parse_layers(layers) if colon else ()
    )


def _told_apart(found: Sequence[NamedNetwork]) -> tuple[NamedNetwork, ...]:
    """The same under names that are all different: with layers and weights where the network alone would not do."""

    def name(one: NamedNetwork) -> str:
        if counts[one.name] == 1:
            return one.name
        return " ".join(filter(None, (one.name, "+".join(one.layers), PurePath(one.backbone.weights).name)))

    counts = Counter(one.name for one in found)
    return tuple(NamedNetwork(name(one), one.backbone, one.layers) for one in found)
