"""The module of ``vae``: a variational autoencoder of views (Kingma and Welling, arXiv 1312.6114)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...config import VIEW
from .learner import Seen
from .view_autoencoder import STEPS, Decoder, Encoder, ViewLearner, block, widths

if TYPE_CHECKING:
    from .vae import VaeSpec

_NOISE = "noise"


class VariationalAutoencoder(ViewLearner):
    """Each cell of 16 by 16 pixels is written down as Gaussians of ``spec.latent`` numbers.

    Learning makes equation 10 of the paper larger, with one sample: the loss of a view with D values is the mean error
    of its pixels + β / D · the divergence of the Gaussians from the normal distribution. For the squared error this is
    the paper's bound if pixels have noise of variance β / 2. Scores are those of the Gaussians' means.
    """

    def __init__(self, spec: VaeSpec, seen: Seen) -> None:
        super().__init__(spec)
        self.beta, (colours, height, width) = spec.beta, seen.shapes[VIEW]
        self.values = colours * height * width
        self.cells = tuple(-(-side // 2**STEPS) for side in (height, width))
        self.latent, coarsest = spec.latent, widths(spec.width)[-1]
        self.encoder, self.decoder = Encoder(spec.width), Decoder(spec.width)
        self.narrow, self.wide = nn.Conv2d(coarsest, 2 * spec.latent, 1), block(spec.latent, coarsest, kernel=1)

    def drawn(self, count: int, draws: np.random.Generator) -> dict[str, Tensor]:
        """A normal number for each Gaussian."""
        normal = draws.standard_normal((count, self.latent, *self.cells), dtype=np.float32)
        return {_NOISE: torch.from_numpy(normal)}

    def drawing(self, views: Tensor) -> Tensor:
        """What the decoder makes of the Gaussians' means."""
        maps, mean, _ = self._gaussians(views)
        return self._decoded(mean, maps)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The loss of each view, with one sample of each Gaussian that is a function of its mean and variance."""
        maps, mean, log_variance = self._gaussians(inputs[VIEW])
        sample = mean + (log_variance / 2).exp() * inputs[_NOISE]
        error = self.mean_errors(self._decoded(sample, maps), inputs[VIEW])
        return error + self.beta / self.values * divergence(mean, log_variance)

    def _gaussians(self, views: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        maps = self.encoder(views)
        mean, log_variance = self.narrow(maps[-1]).chunk(2, dim=1)
        return maps, mean, log_variance

    def _decoded(self, numbers: Tensor, maps: list[Tensor]) -> Tensor:
        drawn: Tensor = self.decoder(self.wide(numbers), maps)
        return drawn


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of each image's Gaussians (n, …) from normal ones: (n,), as in appendix B."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(dim=1) / 2
