"""The nearest rows of a memory bank as a module of standard operators."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from .bank import MemoryBank
from .graphs import ReadLayer, constant

_NUMBERS = 2**24  # of the table of distances that is in memory at once
_BLOCK = 32  # rows whose smallest product is found before the block's place is


class NearestRows(nn.Module):
    """The rows of a bank that are nearest to patches, and how far away they are.

    Which row is the nearest, the product of patches and rows tells: |p − m|² = |p|² − 2 p·m + |m|². It loses digits
    where both are long and close together. So both are compared about the mean of the bank, and the distance to the row
    that is chosen is computed from the difference itself.
    """

    centre: Tensor
    minus_twice: Tensor
    squares: Tensor

    def __init__(self, bank: MemoryBank) -> None:
        super().__init__()
        patches = constant(bank.patches)
        self.register_buffer("centre", patches.double().mean(dim=0).float())
        centred, missing = patches - self.centre, -len(patches) % _BLOCK  # no patch is near the rows that fill it
        squares = centred.double().square().sum(dim=1).float()
        self.register_buffer("minus_twice", -2 * pad(centred, (0, 0, 0, missing)))  # the rows, as products need them
        self.register_buffer("squares", pad(squares, (0, missing), value=torch.inf))

    def forward(self, patches: Tensor, layers: Sequence[ReadLayer] = ()) -> tuple[Tensor, Tensor]:
        """Patches float32 (P, D), and the layers that they are read from, if they are nothing but what is read there →
        distances float32 (P,) and rows int64 (P,)."""
        patches = patches - self.centre
        at_once = max(1, _NUMBERS // len(self.squares))
        if at_once < len(patches):
            pieces = [linear(piece, self.minus_twice, self.squares) for piece in torch.split(patches, at_once)]
            nearest = torch.cat([self._nearest(piece) for piece in pieces])
        else:
            whole = self._read(layers) if layers else linear(patches, self.minus_twice, self.squares)
            nearest = self._nearest(whole)
        return (self._rows(nearest) - patches).square().sum(dim=1).sqrt(), nearest

    def _read(self, layers: Sequence[ReadLayer]) -> Tensor:
        """|m|² − 2 p·m of all patches and rows: float32 (P, M).

        To read a patch between the cells of a layer, and to multiply it with a row, may change places. A coarse layer
        has a quarter of the cells or fewer, so far less is multiplied.
        """
        products, start = [], 0
        for layer in layers:
            part = slice(start, start := start + layer.cells.shape[1])
            cells = layer.cells[0].permute(1, 2, 0) - self.centre[part]
            squares = self.squares if layer.taps is None else None  # the finest layer brings them
            products.append(layer.read(linear(cells, self.minus_twice[:, part], squares)))
        return functools.reduce(torch.add, products).flatten(0, 1)

    def _nearest(self, compared: Tensor) -> Tensor:
        """The nearest row of each patch, the first of equals, by |m|² − 2 p·m float32 (P, M): int64 (P,).

        Runtimes find the smallest of many numbers far faster than its place. So the place is looked for twice among a
        few: that of the block among all blocks, and that of the row in its block.
        """
        count, blocks = len(compared), len(self.squares) // _BLOCK
        numbers = compared.reshape(-1, _BLOCK)
        block = numbers.amin(dim=1).reshape(-1, blocks).argmin(dim=1)
        row = numbers.index_select(0, torch.arange(count, device=block.device) * blocks + block).argmin(dim=1)
        return block * _BLOCK + row

    def apart(self, patch: Tensor, rows: Tensor) -> Tensor:
        """The distances of one patch float32 (D,) to some rows, whose numbers are int64 (n,): float32 (n,)."""
        return (self._rows(rows) - (patch - self.centre)).square().sum(dim=1).sqrt()

    def _rows(self, rows: Tensor) -> Tensor:
        """Some rows about the centre: to halve a number changes none of its digits."""
        return -0.5 * self.minus_twice.index_select(0, rows)
