"""The module of ``fastflow``: a normalising flow for each layer's output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, softplus

from ...errors import UserError
from ...features.grids import VIEW_GRID, Grid
from ...features.patches import finest, on_grid, require_grids
from .learner import Found, Learner, Seen
from .unlikeliness import mean_unlikeliness, read_unlikeliness

if TYPE_CHECKING:
    from .fastflow import FastflowSpec

_CLAMP = 2.0  # a step multiplies a number by e² at most and by e⁻² at least
_GAIN = 0.1  # what a subnet gives is multiplied by it, so that a new flow is close to the identity
_SOFTNESS = 0.5  # β of the softplus that keeps the channels' scales positive
_WEIGHT_DECAY = 1e-5
_NARROW = 256  # channels of the widest layer that the authors use of a ResNet-18
_LEAST = torch.finfo(torch.float64).tiny  # a likelihood of 0 would have no logarithm


class FlowStep(nn.Module):
    """A step of a flow (section 3.3). One half of the channels scales and shifts the other half, cell by cell. Then
    each channel is scaled and shifted as a whole, and the channels are put into an order that is drawn at random.

    It computes the bits of anomalib's ``AllInOneBlock``, which multiplies by square matrices to put channels in order,
    and which cannot be made on the meta device.
    """

    def __init__(self, channels: int, kernel: int, hidden_ratio: float) -> None:
        """``kernel`` is the side of the subnet's convolutions in cells. Its hidden layer has ``hidden_ratio`` times as
        many channels as it gets."""
        super().__init__()
        self.halves = [channels - channels // 2, channels // 2]
        hidden = max(1, int(self.halves[0] * hidden_ratio))
        self.subnet = nn.Sequential(
            nn.Conv2d(self.halves[0], hidden, kernel, padding="same"),
            nn.ReLU(),
            nn.Conv2d(hidden, 2 * self.halves[1], kernel, padding="same"),
        )
        one = math.log(math.expm1(_SOFTNESS / _GAIN)) / _SOFTNESS  # the number that means a scale of 1
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), one))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("places", torch.randperm(channels))
        self.places: Tensor

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Cells (n, C, h, w) → cells of the same shape, and the logarithm of the Jacobian's determinant (n,)."""
        telling, told = torch.split(cells, self.halves, dim=1)
        factors, shifts = (self.subnet(telling).float() * _GAIN).chunk(2, dim=1)
        factors = _CLAMP * torch.tanh(factors)
        cells = torch.cat([telling, told * torch.exp(factors) + shifts], dim=1)
        scale = _GAIN * softplus(self.scale, _SOFTNESS)
        cells = cells * scale + self.shift
        volume = factors.sum(dim=(1, 2, 3)) + cells[0, 0].numel() * scale.log().sum()
        # Channel c goes to places[c]. Whatever numbers a damaged file holds, sorting them gives an order.
        return cells.index_select(1, self.places.argsort()), volume


class Flow(nn.Module):
    """The flow of one layer: a layer norm of whole outputs, then steps that look at 3 × 3 cells and at 1 by turns."""

    def __init__(self, spec: FastflowSpec, shape: tuple[int, int, int], hidden_ratio: float) -> None:
        super().__init__()
        kernels = [1 if at % 2 and not spec.conv3x3_only else 3 for at in range(spec.flow_steps)]
        self.norm = nn.LayerNorm(shape)
        self.steps = nn.ModuleList(FlowStep(shape[0], kernel, hidden_ratio) for kernel in kernels)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (n, C, h, w) → latent cells z of the same shape, and the logarithm of the determinant of the steps'
        Jacobian (n,)."""
        cells, volume = self.norm(cells), cells.new_zeros(len(cells))
        for step in self.steps:
            cells, more = step(cells)
            volume = more + volume
        return cells, volume


class LayerFlows(Learner):
    """A flow for each layer. It learns to turn outputs of good images into independent standard normal numbers."""

    def __init__(self, spec: FastflowSpec, seen: Seen) -> None:
        super().__init__()
        self.spec, self.view = spec, seen.view
        self.grids = {layer: seen.grids[layer] for layer in spec.layers}
        self._finest = finest(spec.layers, self.grids)
        self._cells = seen.shapes[self._finest][1:]
        widths = {layer: seen.shapes[layer][0] for layer in spec.layers}
        for layer, channels in widths.items():
            if channels < 2:
                raise UserError(f"fastflow must see at least 2 channels, but {layer} has {channels}.")
        ratio = spec.hidden_ratio or (1.0 if max(widths.values()) <= _NARROW else 0.16)
        self.flows = nn.ModuleList(Flow(spec, seen.shapes[layer], ratio) for layer in spec.layers)

    @property
    def grid(self) -> Grid:
        """That of the finest layer."""
        return self.grids[self._finest]

    def latent(self, inputs: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """What each layer's flow gives."""
        require_grids(inputs, self.spec.layers)
        return {layer: flow(inputs[layer]) for layer, flow in zip(self.spec.layers, self.flows, strict=True)}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The sum over layers of the negative log-likelihood of each image, but for a constant."""
        losses = [z.square().sum(dim=(1, 2, 3)) / 2 - volume for z, volume in self.latent(inputs).values()]
        return torch.stack(losses).sum(dim=0)

    def optimiser(self) -> torch.optim.Optimizer:
        """The authors': Adam with weight decay."""
        return torch.optim.Adam(self.parameters(), lr=self.spec.lr, weight_decay=_WEIGHT_DECAY)

    def found(self, inputs: Mapping[str, Tensor]) -> Found:
        """Minus the logarithm of the mean likelihood over layers: the most at any pixel of the view, and that of the
        cells of the finest layer."""
        latent = {layer: z.double() for layer, (z, _) in self.latent(inputs).items()}
        likely = {layer: torch.exp(-z.square().mean(dim=1) / 2) for layer, z in latent.items()}  # (1, h, w)
        size = (self.view, self.view)
        in_view = torch.stack([interpolate(one[None], size, mode="bilinear") for one in likely.values()]).mean(dim=0)
        in_cells = torch.stack(
            [on_grid(one[0], self.grids[layer], self.grid, self._cells) for layer, one in likely.items()]
        ).mean(dim=0)
        return Found(float(_unlikeliness(in_view.min())), _unlikeliness(in_cells).float())

    def graphed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The same by standard operators, all of it on the scale of the logarithm, which float32 has room for."""
        in_view, in_cells = [], []
        for layer, (z, _) in self.latent(inputs).items():
            unlikely, own = z.square().mean(dim=1)[0] / 2, self.grids[layer]
            side = unlikely.shape[0]
            tiles = Grid((self.view / side - 1) / 2, self.view / side)
            in_view.append(read_unlikeliness(unlikely, tiles, VIEW_GRID, (self.view, self.view)))
            in_cells.append(read_unlikeliness(unlikely, own, self.grid, self._cells))
        most = -math.log(_LEAST)
        return mean_unlikeliness(in_view).max().clamp(0.0, most), mean_unlikeliness(in_cells).clamp(0.0, most)


def _unlikeliness(likely: Tensor) -> Tensor:
    return -likely.clamp(_LEAST, 1).log()
