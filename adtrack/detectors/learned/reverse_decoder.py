"""The module of ``reverse_distillation``: layers are fused, written down in a few numbers, and given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from ...errors import UserError
from ...features.grids import Grid
from ...features.patches import on_grid
from ..contract import SMOOTHING
from ..graphs import drawn_in_view, read_on
from ..maps import view_map
from .learner import Found, Learner, Seen
from .residual import Convolution, Residual, doubling, halving, keeping, normed

if TYPE_CHECKING:
    from .reverse_distillation import ReverseDistillationSpec

_BETAS = (0.5, 0.999)  # of Adam, in the authors' code
_WIDE = 256  # channels of the deepest layer: with more than behind a ResNet-18, blocks are narrow inside
_NARROW = 4  # times fewer channels inside these, as in the blocks of a ResNet-50


class ReverseDecoder(Learner):
    """The trainable bottleneck and the decoder (section 3 of the paper), for layers each of which has half as many rows
    and columns as the one before.

    ``ways`` bring the maps of all layers to the side and the channels of the deepest one (the multi-scale feature
    fusion), ``embedding`` halves their side once more (the one-class embedding), and each of ``stages`` doubles it and
    gives a layer back, the deepest first. There are two residual blocks in each, as in a ResNet-18.

    A ReLU ends every layer of the authors' ResNets, and so every stage of their decoder. Other networks end theirs with
    something else. ``lowest`` holds the lowest output of each layer that was learned from, or 0 if none is negative:
    nothing is given back below it. Behind a ReLU this is the authors' ReLU.
    """

    together = True
    lowest: Tensor

    def __init__(self, spec: ReverseDistillationSpec, seen: Seen) -> None:
        super().__init__()
        self.spec, self.view = spec, seen.view
        self.layers = sorted(spec.layers, key=lambda layer: seen.grids[layer].stride)
        self.grids = [seen.grids[layer] for layer in self.layers]
        shapes = [seen.shapes[layer] for layer in self.layers]
        _require_pyramid(self.layers, shapes)
        channels = [shape[0] for shape in shapes]
        deepest = channels[-1]
        wide = deepest > _WIDE
        self.ways = nn.ModuleList(_way(channels[at:]) for at in range(len(channels)))
        self.embedding = nn.Sequential(*_blocks(halving, len(channels) * deepest, 2 * deepest, wide), nn.ReLU())
        widths = [2 * deepest, *reversed(channels)]
        self.stages = nn.ModuleList(nn.Sequential(*_blocks(doubling, *pair, wide)) for pair in pairwise(widths))
        self.register_buffer("lowest", torch.zeros(len(channels)))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    @property
    def grid(self) -> Grid:
        """That of the finest layer."""
        return self.grids[0]

    def given_back(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What the decoder makes of the maps of all layers, finest first: maps of the same shapes."""
        cells = self.embedding(torch.cat([way(one) for way, one in zip(self.ways, maps, strict=True)], dim=1))
        found = []
        for stage, one, lowest in zip(self.stages, reversed(maps), self.lowest.flip(0), strict=True):
            cells = stage(cells)[..., : one.shape[2], : one.shape[3]]
            cells = torch.relu(cells - lowest) + lowest
            found.append(cells)
        return found[::-1]

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The sum over the layers of 1 − the cosine similarity of the whole map to what is given back of it.

        This is the loss of the authors' code; equation 2 of the paper has the mean over the cells.
        """
        maps = [inputs[layer] for layer in self.layers]
        if self.training:
            self.lowest.copy_(torch.minimum(self.lowest, torch.stack([one.amin() for one in maps])))
        pairs = zip(maps, self.given_back(maps), strict=True)
        return torch.stack([1 - cosine_similarity(one.flatten(1), back.flatten(1).float()) for one, back in pairs]).sum(
            0
        )

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam with the authors' betas."""
        return torch.optim.Adam(self.parameters(), lr=self.spec.lr, betas=_BETAS)

    def found(self, inputs: Mapping[str, Tensor]) -> Found:
        """Cells: 1 − the cosine similarity of a cell's channels (equation 1), summed over the layers (equation 4).

        The score is the maximum of the smoothed map of the view, as in the paper. Layers are read where the cells of
        the finest one lie; the authors stretch all of them to the view from corner to corner.
        """
        maps = [inputs[layer] for layer in self.layers]
        apart = [1 - cosine_similarity(one, back)[0] for one, back in zip(maps, self.given_back(maps), strict=True)]
        cells = torch.zeros_like(apart[0])
        for one, grid in zip(apart, self.grids, strict=True):
            cells = cells + on_grid(one, grid, self.grid, cells.shape).clamp(min=0)
        return Found(float(view_map(cells, self.grid, self.view, SMOOTHING).max()), cells)

    def graphed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The same by standard operators."""
        maps = [inputs[layer] for layer in self.layers]
        cells = torch.zeros(())
        for one, back, grid in zip(maps, self.given_back(maps), self.grids, strict=True):
            apart = 1 - cosine_similarity(one, back)[0]
            cells = cells + read_on(apart, grid, self.grid, maps[0].shape[2:]).clamp(min=0)
        return drawn_in_view(cells, self.grid, self.view, SMOOTHING).max(), cells


def _way(channels: Sequence[int]) -> nn.Sequential:
    """From a layer to the deepest one, in the channels of all layers between; nothing happens to the deepest one."""
    return nn.Sequential(*(part for pair in pairwise(channels) for part in (*normed(halving, *pair), nn.ReLU())))


def _blocks(first: Convolution, came: int, leaves: int, wide: bool) -> list[nn.Module]:
    narrow = max(leaves // _NARROW, 1) if wide else None
    return [Residual(first, came, leaves, narrow), nn.ReLU(), Residual(keeping, leaves, leaves, narrow)]


def _require_pyramid(layers: Sequence[str], shapes: Sequence[tuple[int, int, int]]) -> None:
    """Raise UserError unless the grids halve from one layer to the next, and the deepest can be halved once more."""
    for (layer, (_, *fine)), (other, (_, *coarse)) in pairwise(zip(layers, shapes, strict=True)):
        if coarse != [-(-side // 2) for side in fine]:
            raise UserError(
                f"reverse_distillation layers must halve their rows and columns from one to the next, but {layer} has "
                f"{fine[0]} × {fine[1]} cells and {other} {coarse[0]} × {coarse[1]}.",
                "the last layers of neighbouring stages of a convolutional network do so, as layer2+layer3 of a "
                "ResNet, and a single layer will always do.",
            )
    _, *last = shapes[-1]
    if min(last) < 3:
        raise UserError(
            f"reverse_distillation layers must have at least 3 rows and columns, but {layers[-1]} has {last[0]} × "
            f"{last[1]} cells.",
            "choose an earlier layer, or a larger crop.",
        )
