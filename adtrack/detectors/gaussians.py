"""PaDiM's Gaussians (Defard et al., PaDiM: a Patch Distribution Modeling Framework, ICPR 2020, arXiv 2011.08785) by
anomalib's own parts, fed with our backbone's outputs: no network of anomalib's is made, and nothing is trained."""

import functools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import UserError
from ..features.grids import Grid
from ..features.threads import fixed_threads
from .contract import Scores
from .training import TrainingSet

if TYPE_CHECKING:  # that file is read before torch, this one after it
    from .padim import PadimSpec

FILE = "padim.safetensors"


@dataclass(frozen=True)
class Gaussians:
    """A Gaussian of patch features at each of P grid positions.

    ``idx`` int64 (d,) names the channels that are kept, ``mean`` is float32 (d, P) and ``inverse``, the inverse of the
    covariances, float32 (P, d, d).
    """

    idx: Tensor
    mean: Tensor
    inverse: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", self.mean.contiguous())
        object.__setattr__(self, "inverse", self.inverse.contiguous())
        _check(self.idx, self.mean, self.inverse)

    def __len__(self) -> int:
        return len(self.inverse)

    def tensors(self) -> dict[str, Tensor]:
        """All of them by name."""
        return {"idx": self.idx, "mean": self.mean, "inverse": self.inverse}

    def score(self, outputs: Mapping[str, Tensor], layers: Sequence[str], view: int) -> Scores:
        """Scores of images by the outputs of ``layers``, the finest first; ``view`` is the side of the view in pixels.

        A patch's score is its Mahalanobis distance (equation 2). An image's is the maximum of anomalib's anomaly map:
        the distances interpolated to the view and smoothed (σ = 4 view pixels).
        """
        maps = _anomalib().AnomalyMapGenerator().to(self.mean.device)
        scores, patches = [], []
        for at in range(len(outputs[layers[0]])):  # one by one: the bits of a product can depend on its size
            embedding = self._embedding({layer: outputs[layer][at : at + 1] for layer in layers}, layers)
            with fixed_threads():
                distances = maps.compute_distance(embedding, [self.mean, self.inverse])
                smooth = maps.smooth_anomaly_map(maps.up_sample(distances, (view, view)))
            scores.append(float(smooth.max()))
            patches.append(distances[0, 0].cpu().numpy())
        return Scores(np.array(scores, dtype=np.float64), np.stack(patches))

    def _embedding(self, outputs: Mapping[str, Tensor], layers: Sequence[str]) -> Tensor:
        channels = sum(output.shape[1] for output in outputs.values())
        positions = outputs[layers[0]][0, 0].numel()
        if positions != len(self) or int(self.idx.max()) >= channels:
            raise UserError(
                f"layer outputs must have {len(self)} positions and more than {int(self.idx.max())} channels, as those "
                f"that PaDiM was fitted to, but have {positions} and {channels}."
            )
        return _embedding(outputs, layers, self.idx)

    def save(self, folder: Path) -> None:
        """Write ``padim.safetensors``."""
        save_file({name: tensor.cpu() for name, tensor in self.tensors().items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path, dimensions: int, device: torch.device) -> "Gaussians":
        """Read what ``save`` wrote, of so many channels. UserError: it is damaged."""
        try:
            # A copy: the file's bytes begin anywhere in memory, where products may have other bits.
            tensors = {name: tensor.clone().to(device) for name, tensor in load_file(folder / FILE).items()}
            found = cls(tensors["idx"].cpu(), tensors["mean"], tensors["inverse"])
            if len(found.idx) != dimensions:
                raise ValueError(f"they have {len(found.idx)} dimensions and not {dimensions}")
        except Exception as error:  # whatever a parser makes of hostile bytes, the model is not usable
            raise UserError(f"a PaDiM model must hold its Gaussians, but {folder} does not ({error}).") from error
        return found


def fit_gaussians(train: TrainingSet, spec: "PadimSpec") -> Gaussians:
    """Estimate the Gaussians of at least two good images."""
    if len(train) < 2:
        raise UserError(f"PaDiM must see at least 2 training images, but got {len(train)}.")
    layers = finest_first(spec.layers, train.grids)
    channels = sum(output.shape[1] for output in train.batch(0, 1).values())
    if spec.dimensions > channels:
        raise UserError(
            f"padim dimensions must be at most the {channels} channels of {'+'.join(spec.layers)}, but got "
            f"{spec.dimensions}."
        )
    # anomalib draws from the global generator: seeded alike, it draws the same channels.
    idx = torch.randperm(channels, generator=torch.Generator().manual_seed(spec.seed))[: spec.dimensions]
    embeddings = [_embedding(outputs, layers, idx) for outputs in train.images()]
    with fixed_threads():
        mean, inverse = _anomalib().MultiVariateGaussian().fit(torch.cat(embeddings))
    return Gaussians(idx, mean, inverse)


def load_anomalib() -> None:
    """Import anomalib, which takes seconds."""
    _anomalib()


def finest_first(layers: Sequence[str], grids: Mapping[str, Grid]) -> list[str]:
    """anomalib lays all layers on the grid of the first; the order given breaks ties."""
    return sorted(layers, key=lambda layer: grids[layer].stride)


def _embedding(outputs: Mapping[str, Tensor], layers: Sequence[str], idx: Tensor) -> Tensor:
    """float32 (n, d, h, w), by anomalib's own method, which reads no more of its model than layers and idx."""
    model = SimpleNamespace(layers=list(layers), idx=idx)
    embedding: Tensor = _anomalib().PadimModel.generate_embedding(model, outputs)
    return embedding


def _check(idx: Tensor, mean: Tensor, inverse: Tensor) -> None:
    positions, dimensions = len(inverse), len(idx)
    expected = [(dimensions,), (dimensions, positions), (positions, dimensions, dimensions)]
    shapes = [tuple(tensor.shape) for tensor in (idx, mean, inverse)]
    types = (idx.dtype, mean.dtype, inverse.dtype)
    if not positions or shapes != expected or types != (torch.int64, torch.float32, torch.float32):
        raise UserError(f"PaDiM must have idx, mean and inverse of shapes {expected}, but got {shapes}, {types}.")
    if len(set(idx.tolist())) != dimensions or int(idx.min()) < 0:
        raise UserError("PaDiM's idx must name different channels, but some are repeated or negative.")
    if not bool(torch.isfinite(mean).all() and torch.isfinite(inverse).all()):
        raise UserError("PaDiM's Gaussians must be finite numbers, but some are NaN or infinite.")


@functools.cache
def _anomalib() -> Any:
    """The parts of anomalib that are used here, imported when they are first needed."""
    with _undisturbed():
        from anomalib.models.components import MultiVariateGaussian
        from anomalib.models.image.padim.anomaly_map import AnomalyMapGenerator
        from anomalib.models.image.padim.torch_model import PadimModel
    return SimpleNamespace(
        PadimModel=PadimModel, MultiVariateGaussian=MultiVariateGaussian, AnomalyMapGenerator=AnomalyMapGenerator
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Importing anomalib imports all of its models: they warn of their own dependencies and set variables such as
    LD_LIBRARY_PATH, which would reach every process that is started later."""
    before = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
