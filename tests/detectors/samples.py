"""Vectors to choose from: normally distributed, and in clusters."""

import torch
from torch import Tensor


def clusters(count: int, dimensions: int, seed: int = 0, spread: float = 1.0) -> Tensor:
    """Clusters of very different sizes far apart; where ``spread`` is small, codes cannot look into them."""
    draws = torch.Generator().manual_seed(seed)
    centres = 50 * torch.randn(12, dimensions, generator=draws)
    weights = torch.tensor([2.0**-k for k in range(12)])
    where = torch.multinomial(weights, count, replacement=True, generator=draws)
    return centres[where] + spread * torch.randn(count, dimensions, generator=draws)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
