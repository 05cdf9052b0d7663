"""PaDiM's Gaussians (Defard et al., PaDiM: a Patch Distribution Modeling Framework, ICPR 2020, arXiv 2011.08785).

anomalib's own functions compute them from the outputs of our network. No network of anomalib is made or trained.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import UserError
from ..features.grids import Grid
from ..features.patches import require_grids
from ..features.threads import fixed_threads
from .contract import Scores
from .description import load_tensors
from .quiet_import import without_side_effects
from .standardising import standardised
from .training import TrainingSet

if TYPE_CHECKING:  # padim.py imports this module, and only when torch is needed
    from .padim import PadimSpec

FILE = "padim.safetensors"


@dataclass(frozen=True)
class Gaussians:
    """A Gaussian of patch features at each of P grid positions.

    ``idx`` int64 (d,) holds the channels that are used, ``mean`` float32 (d, P) the means, and ``inverse`` float32
    (P, d, d) the inverses of the covariances.
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
        """The three tensors by name."""
        return {"idx": self.idx, "mean": self.mean, "inverse": self.inverse}

    def score(
        self, outputs: Mapping[str, Tensor], layers: Sequence[str], view: int, standardise: float = 0.0
    ) -> Scores:
        """The scores of images from the outputs of ``layers``, finest first. ``view`` is the view's side in pixels.

        A patch's score is its Mahalanobis distance (equation 2). An image's score is the maximum of anomalib's anomaly
        map, in which the distances are interpolated to the view and smoothed (σ = 4 view pixels).
        """
        maps = anomaly_maps().to(self.mean.device)
        scores, cells = [], []
        for at in range(len(outputs[layers[0]])):  # image by image, since the bits of a product can depend on its size
            patches = self._embedding({layer: outputs[layer][at : at + 1] for layer in layers}, layers, standardise)
            with fixed_threads():
                distances = maps.compute_distance(patches, [self.mean, self.inverse])
                smooth = maps.smooth_anomaly_map(maps.up_sample(distances, (view, view)))
            scores.append(float(smooth.max()))
            cells.append(distances[0, 0].cpu().numpy())
        return Scores(np.array(scores, dtype=np.float64), np.stack(cells))

    def _embedding(self, outputs: Mapping[str, Tensor], layers: Sequence[str], standardise: float) -> Tensor:
        channels = sum(output.shape[1] for output in outputs.values())
        positions = outputs[layers[0]][0, 0].numel()
        if positions != len(self) or int(self.idx.max()) >= channels:
            raise UserError(
                f"layer outputs must have {len(self)} positions and more than {int(self.idx.max())} channels, like "
                f"those that PaDiM was fitted to, but they have {positions} and {channels}."
            )
        return embedding(standardised(outputs, standardise), layers, self.idx)

    def save(self, folder: Path) -> None:
        """Write ``padim.safetensors``."""
        save_file({name: tensor.cpu() for name, tensor in self.tensors().items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path, dimensions: int, device: torch.device) -> "Gaussians":
        """Read Gaussians of so many dimensions from the file that ``save`` wrote. UserError if it is damaged."""
        try:
            tensors = load_tensors(folder / FILE, device)
            found = cls(tensors["idx"].cpu(), tensors["mean"], tensors["inverse"])
            if len(found.idx) != dimensions:
                raise ValueError(f"they have {len(found.idx)} dimensions and not {dimensions}")
        except Exception as error:  # parsing damaged bytes may raise any error
            raise UserError(f"a PaDiM model must hold its Gaussians, but {folder} does not ({error}).") from error
        return found


def fit_gaussians(train: TrainingSet, spec: "PadimSpec") -> Gaussians:
    """Estimate the Gaussians from at least two good images."""
    layers = finest_first(spec.layers, train.grids)
    channels = sum(output.shape[1] for output in train.batch(0, 1).values())
    if spec.dimensions > channels:
        raise UserError(
            f"padim dimensions must be at most the {channels} channels of {'+'.join(spec.layers)}, but got "
            f"{spec.dimensions}."
        )
    # With the same seed, anomalib draws the same channels from torch's global generator.
    idx = torch.randperm(channels, generator=torch.Generator().manual_seed(spec.seed))[: spec.dimensions]
    embeddings = [embedding(standardised(outputs, spec.standardise), layers, idx) for outputs in train.images()]
    with fixed_threads():
        mean, inverse = _anomalib().MultiVariateGaussian().fit(torch.cat(embeddings))
    return Gaussians(idx, mean, inverse)


def load_anomalib() -> None:
    """Import anomalib, which takes seconds."""
    _anomalib()


def finest_first(layers: Sequence[str], grids: Mapping[str, Grid]) -> list[str]:
    """The layers sorted by their grids, the finest first: anomalib puts all layers on the grid of the first.

    Layers with equal grids keep their order.
    """
    return sorted(layers, key=lambda layer: grids[layer].stride)


def embedding(outputs: Mapping[str, Tensor], layers: Sequence[str], idx: Tensor) -> Tensor:
    """The embedding float32 (n, d, h, w) of outputs {layer: (n, C, h, w)}.

    anomalib's method only reads ``layers`` and ``idx`` of its model.
    """
    require_grids(outputs, layers)
    model = SimpleNamespace(layers=list(layers), idx=idx)
    embedded: Tensor = _anomalib().PadimModel.generate_embedding(model, outputs)
    return embedded


def anomaly_maps() -> Any:
    """anomalib's module that makes distances and anomaly maps."""
    return _anomalib().AnomalyMapGenerator()


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
    """The parts of anomalib that this module uses. They are imported on the first call."""
    with without_side_effects():
        from anomalib.models.components import MultiVariateGaussian
        from anomalib.models.image.padim.anomaly_map import AnomalyMapGenerator
        from anomalib.models.image.padim.torch_model import PadimModel
    return SimpleNamespace(
        PadimModel=PadimModel, MultiVariateGaussian=MultiVariateGaussian, AnomalyMapGenerator=AnomalyMapGenerator
    )
