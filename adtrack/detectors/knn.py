"""The k nearest neighbours of a whole image: the simplest method that uses a trained network, to compare others with.

Bergman et al., Deep Nearest Neighbor Anomaly Detection, arXiv 2002.10445.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..config import RESNET_LAYERS, LayerChoice, LayersSpec, NetworkLayers, layers_setting
from ..settings import WHOLE, at_least, setting
from .contract import Detector, FitResult, Scores
from .drift import AugmentedSpec, SmoothedSpec

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from ..features.grids import Grid
    from .bank import MemoryBank
    from .graphs import ScoreGraph
    from .training import TrainingSet


@dataclass(frozen=True)
class KnnSpec(AugmentedSpec, SmoothedSpec, LayersSpec):
    """Which layers' means make the vector of an image, and how many good images it is compared with.

    To take an image's own mean out of its channels, as other methods do against drift, would leave nothing.
    """

    search_order: ClassVar[tuple[str, ...]] = ("smooth", "augment", "layers", "neighbours")
    # On magnetic tiles both help under the shift, together most, and neither costs anything on clean images.
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"smooth": 1.0, "augment": 3})

    layers: tuple[str, ...] = layers_setting(RESNET_LAYERS.images.tried, RESNET_LAYERS.images.usual, auto=True)
    neighbours: int = setting(
        5,
        WHOLE,
        "kNN: how many of the nearest good images an image's score is the mean distance to; all, if there are fewer.",
        at_least(1, "5 is the usual number."),
        tries=(1, 3, 5, 10),
        brief="k{}",
        option=True,
    )
    _: KW_ONLY
    method: str = "knn"

    @classmethod
    def choice(cls, network: NetworkLayers) -> LayerChoice:
        """The deepest layers, which say what an image shows."""
        return network.images


class Knn(Detector[KnnSpec]):
    """A vector of each good image. An image is as anomalous as its mean distance to the nearest of them."""

    spec_type = KnnSpec
    name = "kNN"
    rows_called = "images"
    has_maps = False

    def __init__(self, spec: KnnSpec, bank: MemoryBank, grids: Mapping[str, Grid]) -> None:
        self.spec, self.bank = spec, bank
        self.grids = {layer: grids[layer] for layer in spec.layers}

    @classmethod
    def fit(cls, train: TrainingSet, spec: KnnSpec) -> FitResult[KnnSpec]:
        """Remember the images."""
        import torch

        from ..features.image_vectors import image_vectors
        from .bank import MemoryBank

        vectors = torch.cat([image_vectors(outputs, spec.layers) for outputs in train.images()])
        return FitResult(cls(spec, MemoryBank(vectors), train.grids))

    @property
    def rows(self) -> int:
        return len(self.bank)

    @property
    def megabytes(self) -> float:
        return self.bank.megabytes

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """The images' mean distances to the nearest good images."""
        from ..features.image_vectors import image_vectors

        neighbours = min(self.spec.neighbours, self.rows)
        distances = self.bank.nearest(image_vectors(batch, self.spec.layers), neighbours)[0]
        return Scores(distances.double().mean(dim=1).cpu().numpy(), None)

    def graph(self) -> ScoreGraph:
        """The images' vectors, and the mean of the smallest distances to them."""
        from .knn_graph import KnnGraph

        return KnnGraph(self.spec.layers, self.bank, min(self.spec.neighbours, self.rows))

    def state(self) -> Mapping[str, Tensor]:
        return {"images": self.bank.patches}

    def save(self, folder: Path) -> None:
        """Write ``bank.safetensors``, which holds the images' vectors, and ``detector.json``."""
        from .description import save_description

        self.bank.save(folder)
        save_description(folder, self.spec, self.grids)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Knn:
        """Read a detector that ``save`` wrote. UserError if it is damaged."""
        from .bank import MemoryBank
        from .description import load_description

        described = load_description(folder, KnnSpec)
        return cls(described.spec, MemoryBank.load(folder).to(device), described.grids)
