"""The modules of ``pixel_ae`` and ``skip_ae``, of whose parts ``vae`` is made as well: autoencoders of views.

Convolutions of stride 2 lead down to cells of 16 by 16 pixels. On the way up maps are enlarged to the size that the map
had on the way down, which need not be twice their own, so that views may have any size.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from ...config import VIEW
from ...features.grids import VIEW_GRID, Grid
from ..contract import SMOOTHING
from ..graphs import drawn_in_view
from .learner import Found, Learner
from .pixel_errors import pixel_errors

if TYPE_CHECKING:
    from .pixel_spec import PixelSpec
    from .skip_ae import SkipAeSpec

STEPS = 4  # down, of stride 2 each
_COLOURS = 3


def widths(width: int) -> list[int]:
    """The channels of the maps on the way down, the finest first: they double twice."""
    return [width * min(2**step, 4) for step in range(STEPS)]


def block(channels: int, wanted: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size or halves it, rounded up, with batch norm and a leaky ReLU."""
    convolution = nn.Conv2d(channels, wanted, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(wanted), nn.LeakyReLU(0.2))


class Encoder(nn.Module):
    """The way down."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [_COLOURS, *widths(width)]
        self.blocks = nn.ModuleList(block(*pair, stride=2) for pair in pairwise(channels))

    def forward(self, views: Tensor) -> list[Tensor]:
        """The views (n, 3, S, S) and the maps of each step, the coarsest last."""
        maps = [views]
        for one in self.blocks:
            maps.append(one(maps[-1]))
        return maps


class Decoder(nn.Module):
    """The way up from maps of as many channels as the coarsest map has.

    With ``skips`` each step sees the map of the same size on the way down beside its own.
    """

    def __init__(self, width: int, *, skips: bool = False) -> None:
        super().__init__()
        fine, more = widths(width), int(skips)
        steps = reversed(range(1, STEPS))
        self.blocks = nn.ModuleList(block(fine[step] + more * fine[step - 1], fine[step - 1]) for step in steps)
        self.last = nn.Conv2d(fine[0], _COLOURS, 3, padding=1)
        self.skips = skips

    def forward(self, coarse: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """The drawing (n, 3, S, S). ``maps`` are those of the encoder, of which only the sizes count without skips."""
        for one, like in zip(self.blocks, maps[-2:0:-1], strict=True):
            coarse = _enlarged(coarse, like)
            coarse = one(torch.cat([coarse, like], dim=1) if self.skips else coarse)
        drawn: Tensor = self.last(_enlarged(coarse, maps[0]))
        return drawn


def _enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    # By the nearest cell: gradients through smoother ways would differ from one time to the next on a GPU.
    return functional.interpolate(coarse, size=like.shape[-2:], mode="nearest")


class ViewLearner(Learner):
    """A module that draws views. What it learns makes the mean error of a view's pixels smaller.

    The map of an image has the errors of its pixels. Its score is the largest value of this map once it is smoothed as
    its heatmap is (σ = 4 view pixels): a defect is more than a pixel, and noise is not.
    """

    together = True

    def __init__(self, spec: PixelSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    def grid(self) -> Grid:
        """The pixels of the view."""
        return VIEW_GRID

    @abstractmethod
    def drawing(self, views: Tensor) -> Tensor:
        """What is drawn of views (n, 3, S, S), in the same form."""

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The mean error of each view's pixels."""
        return self.mean_errors(self.drawing(inputs[VIEW]), inputs[VIEW])

    def mean_errors(self, drawn: Tensor, views: Tensor) -> Tensor:
        """The mean error of each view's pixels: (n,)."""
        return pixel_errors(self.spec.loss, drawn, views, whole=False).mean(dim=(1, 2))

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.spec.lr)

    def found(self, inputs: Mapping[str, Tensor]) -> Found:
        """The errors of a view's pixels, and the largest of them once they are smoothed."""
        cells = pixel_errors(self.spec.loss, self.drawing(inputs[VIEW]), inputs[VIEW], whole=True)[0]
        smooth = gaussian_filter(cells.double().cpu().numpy(), SMOOTHING, mode="reflect")
        return Found(float(smooth.max()), cells)

    def graphed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The same by standard operators."""
        cells = pixel_errors(self.spec.loss, self.drawing(inputs[VIEW]), inputs[VIEW], whole=True)[0]
        return drawn_in_view(cells, VIEW_GRID, cells.shape[0], SMOOTHING).max(), cells


class ViewAutoencoder(ViewLearner):
    """Each cell of 16 by 16 pixels is written down in ``latent`` numbers, which are all that the decoder gets."""

    def __init__(self, spec: PixelSpec, latent: int) -> None:
        super().__init__(spec)
        coarsest = widths(spec.width)[-1]
        self.encoder, self.decoder = Encoder(spec.width), Decoder(spec.width)
        self.narrow, self.wide = nn.Conv2d(coarsest, latent, 1), block(latent, coarsest, kernel=1)

    def drawing(self, views: Tensor) -> Tensor:
        """What the decoder makes of the numbers."""
        maps = self.encoder(views)
        drawn: Tensor = self.decoder(self.wide(self.narrow(maps[-1])), maps)
        return drawn


class SkipAutoencoder(ViewLearner):
    """The decoder gets the encoder's maps of all sizes."""

    def __init__(self, spec: SkipAeSpec) -> None:
        super().__init__(spec)
        self.encoder, self.decoder = Encoder(spec.width), Decoder(spec.width, skips=True)

    def drawing(self, views: Tensor) -> Tensor:
        """What the decoder makes of the maps."""
        maps = self.encoder(views)
        drawn: Tensor = self.decoder(maps[-1], maps)
        return drawn
