"""Interpolation and means of likelihoods that are given as minus their logarithm."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...features.grids import Grid
from ...features.patches import Taps

_NONE = 1e4  # minus the logarithm of a weight of 0: far above that of all numbers that occur


def read_unlikeliness(cells: Tensor, source: Grid, target: Grid, shape: Sequence[int]) -> Tensor:
    """Likelihoods of the cells (h, w) of one grid, read by linear interpolation where those of another lie."""
    for axis, wanted in enumerate(shape):
        taps = Taps.at(source.cells(target.centres(wanted)), cells.shape[axis])
        weight = taps.weight.reshape([-1 if at == axis else 1 for at in range(2)])
        lower, upper = (
            cells.index_select(axis, places) - share.log().clamp(min=-_NONE).float()
            for places, share in ((taps.lower, 1 - weight), (taps.upper, weight))
        )
        cells = _sum(lower, upper)
    return cells


def mean_unlikeliness(layers: Sequence[Tensor]) -> Tensor:
    """The mean of likelihoods of equal shapes."""
    total = layers[0]
    for one in layers[1:]:
        total = _sum(total, one)
    return total + math.log(len(layers))


def _sum(one: Tensor, other: Tensor) -> Tensor:
    """-log(exp(-one) + exp(-other)), which neither overflows nor vanishes."""
    return torch.minimum(one, other) - torch.exp(-(one - other).abs()).log1p()
