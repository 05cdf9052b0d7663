"""The nearest rows of a memory bank as a module of standard operators."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .bank import MemoryBank
from .graphs import constant

_NUMBERS = 2**24  # of the table of distances that is in memory at once


class NearestRows(nn.Module):
    """The rows of a bank that are nearest to patches, and how far away they are.

    Which row is the nearest, the product of patches and rows tells: |p − m|² = |p|² − 2 p·m + |m|². It loses digits
    where both are long and close together. So both are compared about the mean of the bank, and the distance to the row
    that is chosen is computed from the difference itself.
    """

    centre: Tensor
    rows: Tensor
    squares: Tensor

    def __init__(self, bank: MemoryBank) -> None:
        super().__init__()
        patches = constant(bank.patches)
        self.register_buffer("centre", patches.double().mean(dim=0).float())
        self.register_buffer("rows", patches - self.centre)
        self.register_buffer("squares", self.rows.double().square().sum(dim=1).float())

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Patches float32 (P, D) → distances float32 (P,) and rows int64 (P,)."""
        patches = patches - self.centre
        at_once = max(1, _NUMBERS // len(self.rows))
        pieces = torch.split(patches, at_once) if at_once < len(patches) else (patches,)
        nearest = torch.cat([linear(-2 * piece, self.rows, self.squares).argmin(dim=1) for piece in pieces])
        return (self.rows[nearest] - patches).square().sum(dim=1).sqrt(), nearest

    def apart(self, patch: Tensor, rows: Tensor) -> Tensor:
        """The distances of one patch float32 (D,) to some rows, whose numbers are int64 (n,): float32 (n,)."""
        return (self.rows[rows] - (patch - self.centre)).square().sum(dim=1).sqrt()
