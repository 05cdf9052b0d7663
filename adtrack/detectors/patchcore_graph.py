"""PatchCore as a module of standard operators: patches, nearest rows, equation 7, map and score."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .bank import MemoryBank
from .graphs import ReadLayer, ScoreGraph, constant, read_layers, standardised_layers
from .image_score import ScoreRule
from .nearest_graph import NearestRows
from .patch_space import PatchSpace


class PatchGraph(nn.Module):
    """How the outputs of layers become patches: ``PatchSpace.patches``."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, space: PatchSpace) -> None:
        super().__init__()
        self.space = space
        if space.whitening is not None:
            self.register_buffer("mean", constant(space.whitening.mean))
            self.register_buffer("matrix", constant(space.whitening.matrix))

    @property
    def are_read(self) -> bool:
        """Whether patches are what is read between the cells of several layers, and nothing is done to them then."""
        return len(self.space.layers) > 1 and self.space.whitening is None and not self.space.cosine

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, tuple[int, int], list[ReadLayer]]:
        """One image's outputs {layer: (1, C, h, w)} → its patches float32 (H · W, D), H and W, and the layers that the
        patches are read from."""
        space = self.space
        standard = standardised_layers(outputs, space.layers, space.standardise)
        layers = read_layers(standard, space.layers, space.grids, space.patch_size, space.stride)
        merged = torch.cat([layer.parts() for layer in layers], dim=1)
        patches = merged.permute(0, 2, 3, 1).flatten(0, 2)  # runtimes that keep channels last need not copy for this
        if space.whitening is not None:
            patches = (patches - self.mean) @ self.matrix
        if space.cosine:
            lengths = patches.square().sum(dim=1, keepdim=True).sqrt()
            patches = patches / torch.where(lengths > 0, lengths, 1.0)
        return patches, (merged.shape[2], merged.shape[3]), layers


class PatchCoreGraph(ScoreGraph):
    """Scores of an image's patches and of the image (equations 6 and 7), by a bank and the neighbours of its rows."""

    others: Tensor

    def __init__(self, space: PatchSpace, bank: MemoryBank, rule: ScoreRule) -> None:
        super().__init__()
        self.patches, self.nearest, self.rule = PatchGraph(space), NearestRows(bank), rule
        self.register_buffer("others", neighbours(bank, 1 if rule.top else min(rule.neighbours, len(bank))))

    def forward(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The image's score, and the distances of its patches to the bank."""
        patches, shape, layers = self.patches(outputs)
        apart, rows = self.nearest(patches, layers if self.patches.are_read else ())
        distances = self.rule.distance(apart)
        score = self._mean(distances) if self.rule.top else self._reweighted(patches, distances, rows)
        return score.reshape(1), distances.reshape(1, *shape)

    def _mean(self, distances: Tensor) -> Tensor:
        return distances.topk(self.rule.counted(len(distances))).values.mean()

    def _reweighted(self, patches: Tensor, distances: Tensor, rows: Tensor) -> Tensor:
        """Equation 7: s = (1 − exp d(p, m*) / Σ exp d(p, m)) · d(p, m*).

        The factor is the share of the sum that the neighbours besides m* have. So no digits are lost where it is small.
        """
        worst = distances.argmax().reshape(1)
        farthest = distances.index_select(0, worst)
        if not self.others.shape[1]:
            return farthest
        around = self.others.index_select(0, rows.index_select(0, worst))[0]
        apart = self.rule.distance(self.nearest.apart(patches.index_select(0, worst)[0], around))
        return torch.softmax(torch.cat([farthest, apart]), dim=0)[1:].sum() * farthest


def neighbours(bank: MemoryBank, count: int) -> Tensor:
    """For each row of a bank, the numbers of the ``count`` − 1 rows that equation 7 takes beside it: int64 (M, b − 1).

    They are those of ``MemoryBank.around`` but the row itself. More equal rows than ``count`` may leave the row itself
    out; then the last one is left out here, which is at the same distance.
    """
    rows = torch.arange(len(bank), device=bank.patches.device)
    if count == 1:
        return constant(rows.new_empty(len(bank), 0))
    around = bank.around(rows, count)
    itself = around == rows[:, None]
    itself[:, -1] |= ~itself.any(dim=1)
    return constant(around[~itself].reshape(len(bank), count - 1))
