"""PaDiM (Defard et al., PaDiM: a Patch Distribution Modeling Framework, ICPR 2020, arXiv 2011.08785) by anomalib's own
parts, fed with our backbone's outputs: no network of anomalib's is made, and nothing is trained or written."""

import functools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..config import ImageSpec, PadimSpec
from ..errors import UserError
from ..features.feature_set import FeatureSet
from ..features.grids import Grid
from ..features.threads import fixed_threads
from .base import Scores
from .description import load_description, save_description
from .orders import OrderStore

FILE = "padim.safetensors"


class Padim:
    """A Gaussian of patch features at every grid position; a patch is as anomalous as its Mahalanobis distance.

    ``idx`` int64 (d,) names the channels that are kept, ``mean`` is float32 (d, P) and ``inverse`` float32 (P, d, d)
    for P positions; ``view`` is the side of the view in pixels.
    """

    def __init__(
        self, spec: PadimSpec, idx: Tensor, mean: Tensor, inverse: Tensor, grids: Mapping[str, Grid], view: int
    ) -> None:
        _check(spec.dimensions, idx, mean, inverse)
        self.spec, self.view = spec, view
        self.idx, self.mean, self.inverse = idx, mean.contiguous(), inverse.contiguous()
        self.layers = spec.layers
        self.grids = {layer: grids[layer] for layer in spec.layers}
        self._ordered = _finest_first(spec.layers, grids)

    @classmethod
    def prepare(cls) -> None:
        """Import anomalib, which takes seconds."""
        _anomalib()

    @classmethod
    def fit(cls, features: FeatureSet, spec: PadimSpec, orders: OrderStore) -> "Padim":
        """Estimate the Gaussians from the features of at least two good images; ``orders`` are of no use here."""
        if len(features) < 2:
            raise UserError(f"PaDiM must see at least 2 training images, but got {len(features)}.")
        layers = _finest_first(spec.layers, features.grids)
        channels = sum(output.shape[1] for output in features.chunk(0, 1, layers).values())
        if spec.dimensions > channels:
            raise UserError(
                f"padim dimensions must be at most the {channels} channels of {spec.layers_text}, but got "
                f"{spec.dimensions}."
            )
        # anomalib draws from the global generator: seeded alike, it draws the same channels.
        idx = torch.randperm(channels, generator=torch.Generator().manual_seed(spec.seed))[: spec.dimensions]
        embeddings = [_embedding(features.chunk(at, at + 1, layers), layers, idx) for at in range(len(features))]
        with fixed_threads():
            mean, inverse = _anomalib().MultiVariateGaussian().fit(torch.cat(embeddings))
        return cls(spec, idx, mean, inverse, features.grids, features.view)

    @property
    def grid(self) -> Grid:
        return self.grids[self._ordered[0]]

    @property
    def rows(self) -> int:
        return len(self.inverse)

    @property
    def megabytes(self) -> float:
        return sum(tensor.nbytes for tensor in (self.idx, self.mean, self.inverse)) / 1e6

    def score(self, outputs: Mapping[str, Tensor]) -> Scores:
        """Mahalanobis distance of every patch (equation 2), and the maximum of anomalib's anomaly map: the distances
        interpolated to the view and smoothed (σ = 4 view pixels), as an image's score."""
        maps = _anomalib().AnomalyMapGenerator().to(self.mean.device)
        scores, patches = [], []
        for at in range(len(outputs[self.layers[0]])):  # one by one: the bits of a product can depend on its size
            embedding = self._embedding({layer: outputs[layer][at : at + 1] for layer in self.layers})
            with fixed_threads():
                distances = maps.compute_distance(embedding, [self.mean, self.inverse])
                smooth = maps.smooth_anomaly_map(maps.up_sample(distances, (self.view, self.view)))
            scores.append(float(smooth.max()))
            patches.append(distances[0, 0].cpu().numpy())
        return Scores(np.array(scores, dtype=np.float64), np.stack(patches))

    def _embedding(self, outputs: Mapping[str, Tensor]) -> Tensor:
        channels = sum(output.shape[1] for output in outputs.values())
        positions = outputs[self._ordered[0]][0, 0].numel()
        if positions != self.rows or int(self.idx.max()) >= channels:
            raise UserError(
                f"layer outputs must have {self.rows} positions and more than {int(self.idx.max())} channels, as those "
                f"that PaDiM was fitted to, but have {positions} and {channels}."
            )
        return _embedding(outputs, self._ordered, self.idx)

    def save(self, folder: Path) -> None:
        """Write ``padim.safetensors`` and ``detector.json``."""
        save_description(folder, self.spec, self.grids, view=self.view)
        tensors = {"idx": self.idx, "mean": self.mean, "inverse": self.inverse}
        save_file({name: tensor.cpu() for name, tensor in tensors.items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> "Padim":
        """Read what ``save`` wrote. UserError if it is damaged."""
        spec, grids, fields = load_description(folder, PadimSpec)
        try:
            view = ImageSpec(fields["view"], 0).size
            # A copy: the file's bytes begin anywhere in memory, where products may have other bits.
            tensors = {name: tensor.clone().to(device) for name, tensor in load_file(folder / FILE).items()}
            return cls(spec, tensors["idx"].cpu(), tensors["mean"], tensors["inverse"], grids, view)
        except Exception as error:  # whatever a parser makes of hostile bytes, the model is not usable
            raise UserError(f"a PaDiM model must hold its Gaussians, but {folder} does not ({error}).") from error


def _finest_first(layers: Sequence[str], grids: Mapping[str, Grid]) -> list[str]:
    """anomalib lays all layers on the grid of the first; the order given breaks ties."""
    return sorted(layers, key=lambda layer: grids[layer].stride)


def _embedding(outputs: Mapping[str, Tensor], layers: list[str], idx: Tensor) -> Tensor:
    """float32 (n, d, h, w), by anomalib's own method, which reads no more of its model than layers and idx."""
    return _anomalib().PadimModel.generate_embedding(SimpleNamespace(layers=layers, idx=idx), outputs)


def _check(dimensions: int, idx: Tensor, mean: Tensor, inverse: Tensor) -> None:
    positions = len(inverse)
    expected = [(dimensions,), (dimensions, positions), (positions, dimensions, dimensions)]
    shapes = [tuple(tensor.shape) for tensor in (idx, mean, inverse)]
    types = (idx.dtype, mean.dtype, inverse.dtype)
    if not positions or shapes != expected or types != (torch.int64, torch.float32, torch.float32):
        raise UserError(f"PaDiM must have idx, mean and inverse of shapes {expected}, but got {shapes}, {types}.")
    if len(idx.unique()) != dimensions or int(idx.min()) < 0:
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
