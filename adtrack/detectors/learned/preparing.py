"""What methods that learn do to their inputs first, when they learn as when they score."""

from collections.abc import Mapping

from torch import Tensor

from ...config import VIEW, DetectorSpec
from ..drift import StandardisedSpec
from ..standardising import standardised


def prepared(spec: DetectorSpec, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs of images, of which the outputs of layers are standardised if the specification asks for it."""
    if not isinstance(spec, StandardisedSpec):
        return dict(inputs)
    layers = {name: rows for name, rows in inputs.items() if name != VIEW}
    return {**inputs, **standardised(layers, spec.standardise)}
