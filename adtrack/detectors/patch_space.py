"""The space in which patches are compared: how they are made, and what is taken out of them before that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import UserError
from ..features.grids import Grid
from ..features.patches import finest, merge_layers, patch_grid
from ..features.threads import fixed_threads
from .description import load_tensors
from .patchcore_spec import COSINE
from .standardising import standardised

if TYPE_CHECKING:
    from .patchcore_spec import PatchCoreSpec
    from .training import TrainingSet

FILE = "whitening.safetensors"


@dataclass(frozen=True)
class Whitening:
    """The linear map after which the patches of good images have the same spread in all directions.

    ``mean`` float32 (D,) is their mean, and ``matrix`` float32 (D, D) the inverse square root of their covariance.
    """

    mean: Tensor
    matrix: Tensor

    @classmethod
    def fit(cls, images: Iterable[Tensor], shrinkage: float) -> Whitening:
        """Fit to the patches float32 (P, D) of each image in turn.

        The covariance C is shrunk towards a multiple of the identity, (1 − λ) C + λ tr(C) / D · I, because D is large
        (Ledoit & Wolf, *A well-conditioned estimator for large-dimensional covariance matrices*, Journal of
        Multivariate Analysis 2004). λ is ``shrinkage``. The sums over all images are float64.
        """
        count, total, products = 0, torch.zeros(()), torch.zeros(())
        origin: Tensor | None = None
        with fixed_threads():
            for patches in images:
                if origin is None:  # sums about a point near the mean lose no digits
                    origin = patches.mean(dim=0)
                centred = patches - origin
                count += len(patches)
                total = total + centred.double().sum(dim=0)
                products = products + (centred.T @ centred).double()
            if origin is None:
                raise ValueError("whitening needs the patches of an image, but there is none")
            mean = total / count
            covariance = products / count - torch.outer(mean, mean)
            typical = float(covariance.diagonal().mean()) or 1.0
            shrunk = (1 - shrinkage) * covariance
            shrunk.diagonal().add_(shrinkage * typical)
            values, vectors = torch.linalg.eigh(shrunk)
            matrix = (vectors / values.clamp(min=1e-12 * typical).sqrt()) @ vectors.T
        return cls((origin.double() + mean).float(), matrix.float())

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Whitening:
        """Read the file that ``save`` wrote. UserError if it is damaged."""
        try:
            tensors = load_tensors(folder / FILE, device)
            return cls(tensors["mean"], tensors["matrix"])
        except Exception as error:  # parsing damaged bytes may raise any error
            raise UserError(
                f"a model that whitens its patches must hold a readable {FILE}, but {folder} does not ({error})."
            ) from error

    def __post_init__(self) -> None:
        sides = len(self.mean), len(self.mean)
        if self.mean.ndim != 1 or self.matrix.shape != sides or {self.mean.dtype, self.matrix.dtype} != {torch.float32}:
            raise UserError(
                f"whitening must have float32 of shapes (D,) and (D, D), but got {self.mean.dtype} "
                f"{tuple(self.mean.shape)} and {self.matrix.dtype} {tuple(self.matrix.shape)}."
            )
        if not bool(torch.isfinite(self.mean).all() and torch.isfinite(self.matrix).all()):
            raise UserError("whitening must have finite numbers, but some are NaN or infinite.")

    def tensors(self) -> dict[str, Tensor]:
        """Mean and matrix by name."""
        return {"mean": self.mean, "matrix": self.matrix}

    @property
    def sha256(self) -> str:
        """A digest of mean and matrix, in hexadecimal."""
        raw = (tensor.cpu().contiguous().numpy().tobytes() for tensor in self.tensors().values())
        return hashlib.sha256(b"".join(raw)).hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``whitening.safetensors``."""
        save_file({name: tensor.cpu().contiguous() for name, tensor in self.tensors().items()}, folder / FILE)

    def __call__(self, patches: Tensor) -> Tensor:
        """Whitened patches float32 (n, P, D). Each image is computed by itself, so that its bits depend on nothing
        else."""
        with fixed_threads():
            return torch.stack([(one - self.mean) @ self.matrix for one in patches])


def unit_vectors(patches: Tensor) -> Tensor:
    """Patches float32 (n, H, W, D) at length 1. A patch of zeros, which has no direction, stays as it is.

    Each image is computed by itself, in float64, so that its bits are the same in every batch.
    """
    return torch.stack([_at_length_one(image.double()) for image in patches])


def _at_length_one(image: Tensor) -> Tensor:
    """The patches float64 (H, W, D) of one image at length 1, as float32."""
    lengths = torch.linalg.vector_norm(image, dim=2, keepdim=True)
    return (image / torch.where(lengths > 0, lengths, 1.0)).float()


@dataclass(frozen=True)
class PatchSpace:
    """How the outputs of layers become patches: standardised, merged, whitened, and brought to length 1 if they are
    compared by their directions alone (``cosine``). ``grids`` are those of the layers."""

    layers: tuple[str, ...]
    patch_size: int
    standardise: float
    grids: Mapping[str, Grid]
    whitening: Whitening | None = None
    stride: int = 1
    cosine: bool = False

    @classmethod
    def of(cls, spec: PatchCoreSpec, grids: Mapping[str, Grid], whitening: Whitening | None = None) -> PatchSpace:
        """The space of a specification."""
        own = {layer: grids[layer] for layer in spec.layers}
        cosine = spec.distance == COSINE
        return cls(spec.layers, spec.patch_size, spec.standardise, own, whitening, spec.stride, cosine)

    @classmethod
    def fit(cls, spec: PatchCoreSpec, train: TrainingSet) -> PatchSpace:
        """The space of a specification; if it whitens patches, the whitening is fitted to those of good images."""
        space = cls.of(spec, train.grids)
        if not spec.whiten:
            return space
        if train.crew is not None:
            raise UserError(
                f"whiten must be 0 where several processes share out the images, but got {spec.whiten}.",
                "one process sums over all of them: --workers 1.",
            )
        raw = replace(space, cosine=False)  # patches are whitened before they are brought to length 1
        images = (raw.patches(outputs).flatten(0, 2) for outputs in train.images())
        return replace(space, whitening=Whitening.fit(images, spec.whiten))

    @property
    def grid(self) -> Grid:
        """Where the patches lie: on the grid of the finest layer, at every ``stride``-th of its cells."""
        return self.grids[finest(self.layers, self.grids)].every(self.stride)

    def count(self, outputs: Mapping[str, Tensor]) -> int:
        """How many patches an image of these layer outputs has."""
        height, width = patch_grid(outputs[finest(self.layers, self.grids)], self.stride)
        return height * width

    @property
    def about(self) -> dict[str, object]:
        """What the patches of an image depend on besides its features, as plain data for a digest."""
        known: dict[str, object] = {"layers": self.layers, "patch": self.patch_size}
        if self.standardise:
            known["standardise"] = self.standardise
        if self.whitening is not None:
            known["whitening"] = self.whitening.sha256
        if self.stride > 1:
            known["stride"] = self.stride
        if self.cosine:
            known["cosine"] = True
        return known

    def patches(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Layer outputs {layer: (n, C, h, w)} → patches float32 (n, H, W, D)."""
        used = {layer: outputs[layer] for layer in self.layers}
        standard = standardised(used, self.standardise)
        merged = merge_layers(standard, self.layers, self.grids, self.patch_size, self.stride)
        patches = merged if self.whitening is None else self.whitening(merged.flatten(1, 2)).view_as(merged)
        return unit_vectors(patches) if self.cosine else patches
