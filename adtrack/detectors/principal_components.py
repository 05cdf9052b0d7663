"""Principal components of images' feature maps, and what of a map lies outside the space that they span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..errors import UserError
from ..features.grids import Grid
from ..features.patches import finest, merge_layers
from ..features.threads import fixed_threads
from .contract import Scores
from .description import load_tensors
from .standardising import standardised

if TYPE_CHECKING:
    from .dfm import DfmSpec

FILE = "dfm.safetensors"


@dataclass(frozen=True)
class PooledMaps:
    """Makes the maps that are compared: layers merged on the finest grid, averaged over squares of ``pooling``² cells.

    Where the sides of the grid are no multiple of ``pooling``, the last squares are smaller, so every cell counts.
    """

    layers: tuple[str, ...]
    grids: Mapping[str, Grid]
    standardise: float
    pooling: int

    @classmethod
    def of(cls, spec: DfmSpec, grids: Mapping[str, Grid]) -> PooledMaps:
        """The maps that ``spec`` asks for."""
        return cls(spec.layers, {layer: grids[layer] for layer in spec.layers}, spec.standardise, spec.pooling)

    @property
    def grid(self) -> Grid:
        """Where the centres of the squares lie in the view."""
        cells = self.grids[finest(self.layers, self.grids)]
        return Grid(cells.offset + cells.stride * (self.pooling - 1) / 2, cells.stride * self.pooling)

    def __call__(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Outputs {layer: (n, C, h, w)} → float32 (n, D, H, W). UserError: the squares are larger than the grid."""
        merged = merge_layers(standardised(outputs, self.standardise), self.layers, self.grids, 1).permute(0, 3, 1, 2)
        side = min(merged.shape[2:])
        if self.pooling > side:
            raise UserError(
                f"dfm pooling must be at most the {side} cells of the finest layer's grid, but got {self.pooling}."
            )
        return avg_pool2d(merged, self.pooling, ceil_mode=True, count_include_pad=False)


@dataclass(frozen=True)
class PrincipalComponents:
    """The principal components of images' maps (D, H, W).

    ``mean`` float32 (D, H, W) is their mean, and ``axes`` float32 (k, D, H, W) are the k orthonormal components.
    """

    mean: Tensor
    axes: Tensor

    def __post_init__(self) -> None:
        shapes, kinds = (tuple(self.mean.shape), tuple(self.axes.shape)), {self.mean.dtype, self.axes.dtype}
        if self.mean.ndim != 3 or self.axes.shape[1:] != self.mean.shape or not len(self) or kinds != {torch.float32}:
            raise UserError(f"DFM must have a mean (D, H, W) and axes (k, D, H, W), but got {shapes} of {kinds}.")
        if not bool(self.mean.isfinite().all() and self.axes.isfinite().all()):
            raise UserError("DFM's components must be finite numbers, but some are NaN or infinite.")

    def __len__(self) -> int:
        return len(self.axes)

    @classmethod
    def fit(cls, maps: Iterable[Tensor], variance: float) -> PrincipalComponents:
        """The fewest components that explain the share ``variance`` of the variance of ``maps``, each (1, D, H, W).

        There are far fewer images than numbers in a map. So the components come from the products of the images with
        each other, an n × n matrix, instead of from a covariance of all numbers. UserError: there is no variance.
        """
        with fixed_threads():
            images = torch.cat(list(maps))
            rows = images.flatten(1).double()
            mean = rows.mean(dim=0)
            rows -= mean
            values, vectors = torch.linalg.eigh(rows @ rows.T)
            values, vectors = values.flip(0), vectors.flip(1)
            real = values > len(values) * torch.finfo(torch.float64).eps * values[0]  # the others are rounding errors
            if len(rows) < 2 or not bool(values[0] > 0):
                raise UserError(
                    f"DFM must see at least 2 different training images, but got {len(rows)} with the same features."
                )
            values, vectors = values[real], vectors[:, real]
            explained = values.cumsum(0) / values.sum()
            count = min(int((explained < variance).sum()) + 1, len(values))
            axes = (vectors[:, :count].T @ rows) / values[:count, None].sqrt()
        shape = images.shape[1:]
        return cls(mean.float().view(shape), axes.float().view(count, *shape))

    def score(self, maps: Tensor) -> Scores:
        """The squared distance of each map (n, D, H, W) from the components' space, and each cell's share of it."""
        if maps.shape[1:] != self.mean.shape:
            raise UserError(
                f"pooled maps must have the shape {tuple(self.mean.shape)} of those that DFM was fitted to, but have "
                f"{tuple(maps.shape[1:])}."
            )
        axes, errors = self.axes.flatten(1), []
        with fixed_threads():
            for one in maps:  # image by image, since the bits of a product can depend on its size
                beyond = (one - self.mean).flatten()
                beyond = beyond - axes.T @ (axes @ beyond)
                errors.append(beyond.view(self.mean.shape).double().square().sum(dim=0))
        cells = torch.stack(errors).cpu().numpy()
        return Scores(cells.sum(axis=(1, 2)), cells.astype(np.float32))

    def tensors(self) -> dict[str, Tensor]:
        """Both tensors by name."""
        return {"mean": self.mean, "axes": self.axes}

    def save(self, folder: Path) -> None:
        """Write ``dfm.safetensors``."""
        save_file({name: tensor.cpu() for name, tensor in self.tensors().items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> PrincipalComponents:
        """Read the file that ``save`` wrote. UserError if it is damaged."""
        try:
            tensors = load_tensors(folder / FILE, device)
            return cls(tensors["mean"], tensors["axes"])
        except Exception as error:  # parsing damaged bytes may raise any error
            raise UserError(f"a DFM model must hold its components, but {folder} does not ({error}).") from error
