"""Which layers of a network to use when nobody names any."""

from collections.abc import Mapping

from ...config import LayerChoice, NetworkLayers
from ...errors import UserError

_FINE, _COARSE = 8, 16  # strides of the stages whose patches show parts of a product, not edges or whole objects
_DEEPEST = 64  # the stride of the deepest maps that still have places


def convolutional_layers(strides: Mapping[str, int]) -> NetworkLayers:
    """Of the layers of a convolutional network with their strides, from the first to the last: the ends of the stages
    at strides 8 and 16 for patches, and the deepest stages for whole images. UserError: there are fewer than
    three stages."""
    ends = {stride: layer for layer, stride in strides.items() if stride <= _DEEPEST}
    stages = [ends[stride] for stride in sorted(ends)]
    if len(stages) < 3:
        raise UserError(
            f"layers must be named where a network shows no stages, but auto was to choose from {', '.join(strides)}.",
            "layers=NAME+NAME takes two of the network's layers.",
        )
    middle = len(stages) // 2
    fine, coarse = ends.get(_FINE, stages[middle - 1]), ends.get(_COARSE, stages[middle])
    before, deepest = stages[-2:]
    return NetworkLayers(
        LayerChoice.of(fine, coarse) if fine != coarse else LayerChoice((fine,), ((fine,),)),
        LayerChoice((deepest,), ((deepest,), (before, deepest), (before,))),
    )


def transformer_layers(blocks: list[str], image: str) -> NetworkLayers:
    """Of a transformer's blocks: three of the second half for patches. ``image`` is the layer that shows the whole
    image."""
    count = len(blocks)
    first, second, last = blocks[count // 2], blocks[3 * count // 4], blocks[-1]
    return NetworkLayers(
        LayerChoice((first, second, last), ((first,), (first, second, last), (last,))),
        LayerChoice((image,), ((image,), (last,)) if image != last else ((image,),)),
    )
