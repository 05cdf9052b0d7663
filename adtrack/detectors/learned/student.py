"""The module of ``stfpm``: a student that learns to give the same outputs as the frozen network, its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from ...config import VIEW
from ...errors import UserError
from ...features.grids import Grid
from ...features.memory_format import fastest_format
from ...features.networks import Network
from ...features.patches import finest, on_grid, require_grids
from ..graphs import read_on
from .learner import Found, Learner, Seen

if TYPE_CHECKING:
    from .stfpm import StfpmSpec

_MOMENTUM, _WEIGHT_DECAY = 0.9, 1e-4  # the authors'


class Student(Learner):
    """A network of the teacher's architecture with weights of its own, cut after the deepest of the layers.

    It sees the views {VIEW: (n, 3, S, S)}, and compares what it makes of them with the teacher's outputs
    {layer: (n, C, h, w)}, which are inputs, too.
    """

    together = True

    def __init__(self, spec: StfpmSpec, seen: Seen) -> None:
        super().__init__()
        self.spec, self.grids = spec, {layer: seen.grids[layer] for layer in spec.layers}
        self.network = Network(seen.network).fresh(spec.layers)
        self._format = fastest_format(self.network)

    def train(self, mode: bool = True) -> Self:
        """Let batch norm learn. All else stays in eval mode, so that nothing is dropped at random."""
        super().train(False)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.train(mode)
        self.training = mode
        return self

    def distances(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How far student and teacher are apart in each cell of each layer: {layer: float32 (n, h, w)}.

        The distance is half of the squared Euclidean distance between the two outputs, each divided by its length
        (equation 1), which is 1 minus the cosine of the angle between them.
        """
        require_grids(inputs, self.spec.layers)
        views = inputs[VIEW]
        try:
            students = self.network(views.contiguous(memory_format=self._format))
        except ValueError as error:
            if not self.training or len(views) > 1:
                raise
            raise UserError(
                f"steps must have at least 2 images where the network has batch norm of whole images, but got 1 "
                f"({error}).",
                "another batch leaves no step with a single image.",
            ) from error
        return {layer: _distances(inputs[layer], students[layer]) for layer in self.spec.layers}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The mean distance of a layer's cells, summed over the layers (equations 2 and 3).

        The authors' loss is the mean over the images of a batch. anomalib's is their sum.
        """
        return torch.stack([cells.mean(dim=(1, 2)) for cells in self.distances(inputs).values()]).sum(dim=0)

    def optimiser(self) -> torch.optim.Optimizer:
        """Stochastic gradient descent with the authors' momentum and weight decay."""
        return torch.optim.SGD(self.parameters(), lr=self.spec.lr, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY)

    @property
    def grid(self) -> Grid:
        """That of the finest layer."""
        return self.grids[finest(self.spec.layers, self.grids)]

    def found(self, inputs: Mapping[str, Tensor]) -> Found:
        """The product of the layers' distances, and its maximum as the image's score (section 3.3).

        The paper brings the distances of each layer to the size of the image before it multiplies them. Here they are
        multiplied where the cells of the finest layer lie, and the product is brought to the size of the image.
        """
        distances = self.distances(inputs)
        shape = distances[finest(self.spec.layers, self.grids)].shape[1:]
        parts = [on_grid(cells, self.grids[layer], self.grid, shape) for layer, (cells,) in distances.items()]
        product = torch.stack(parts).prod(dim=0)
        return Found(float(product.max()), product)

    def graphed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The same by standard operators."""
        distances = self.distances(inputs)
        shape = distances[finest(self.spec.layers, self.grids)].shape[1:]
        product = torch.ones(())
        for layer, cells in distances.items():
            product = product * read_on(cells[0], self.grids[layer], self.grid, shape)
        return product.max(), product


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Half of the squared distances between the cells of (n, C, h, w) twice, as if all had length 1: (n, h, w)."""
    # The channels come last in memory, whatever they were before, so that sums over them have the same bits.
    first, second = (
        normalize(output.float().contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1), dim=3)
        for output in (one, other)
    )
    return (first - second).square().sum(dim=3) / 2
