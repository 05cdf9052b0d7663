"""DFM (Ahuja et al., Probabilistic Modeling of Deep Features for Out-of-Distribution and Adversarial Detection,
Bayesian Deep Learning Workshop at NeurIPS 2019, arXiv 1909.11786): principal components of whole feature maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..settings import NUMBER, WHOLE, at_least, setting, within
from .contract import Detector, FitResult, Scores
from .drift import DriftSpec

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from ..features.grids import Grid
    from .graphs import ScoreGraph
    from .principal_components import PooledMaps, PrincipalComponents
    from .training import TrainingSet


@dataclass(frozen=True)
class DfmSpec(DriftSpec):
    """How many principal components are kept, and of which maps: the share of the variance that they explain."""

    search_order: ClassVar[tuple[str, ...]] = (*DriftSpec.search_order, "layers", "pooling", "variance")
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"smooth": 1.0, "standardise": 1.0, "augment": 3})

    variance: float = setting(
        0.97,
        NUMBER,
        "DFM: share of the Train images' variance that the principal components explain.",
        within(0, 1, "0.97 is the usual share.", low_included=False),
        key="dfm_variance",
        tries=(0.9, 0.97, 0.99),
        brief="{:g} of variance",
        option=True,
    )
    pooling: int = setting(
        4,
        WHOLE,
        "DFM: side of the squares of cells that are averaged, in cells of the finest layer.",
        at_least(1, "4 is the usual size, 1 averages nothing.", 256),
        key="dfm_pooling",
        tries=(2, 4),
        brief="pool {}",
        option=True,
    )
    _: KW_ONLY
    method: str = "dfm"


class Dfm(Detector[DfmSpec]):
    """The principal components of the Train images' pooled feature maps, one vector for an image.

    An image is as anomalous as its map is far from the space that they span: its score is the squared error of the
    reconstruction (the feature reconstruction error), and a patch's score is that cell's share of it. Positions
    count, so the method suits products that always lie alike.
    """

    spec_type = DfmSpec
    name = "DFM"
    rows_called = "components"
    least_images = 2

    def __init__(self, spec: DfmSpec, principal: PrincipalComponents, grids: Mapping[str, Grid]) -> None:
        from .principal_components import PooledMaps

        self.spec, self.principal = spec, principal
        self.maps: PooledMaps = PooledMaps.of(spec, grids)

    @classmethod
    def fit(cls, train: TrainingSet, spec: DfmSpec) -> FitResult[DfmSpec]:
        """Find the components."""
        from .principal_components import PooledMaps, PrincipalComponents

        maps = PooledMaps.of(spec, train.grids)
        return FitResult(cls(spec, PrincipalComponents.fit(map(maps, train.images()), spec.variance), train.grids))

    @property
    def grid(self) -> Grid:
        """The grid of the pooled cells."""
        return self.maps.grid

    @property
    def rows(self) -> int:
        return len(self.principal)

    @property
    def megabytes(self) -> float:
        return sum(tensor.nbytes for tensor in self.state().values()) / 1e6

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """The squared errors of the reconstruction, summed over the channels of a cell and over a whole image."""
        return self.principal.score(self.maps(batch))

    def graph(self) -> ScoreGraph:
        """The pooled maps, and what of them lies outside the components' space."""
        from .dfm_graph import DfmGraph

        return DfmGraph(self.maps, self.principal)

    def state(self) -> Mapping[str, Tensor]:
        return self.principal.tensors()

    def save(self, folder: Path) -> None:
        """Write ``dfm.safetensors`` and ``detector.json``."""
        from .description import save_description

        save_description(folder, self.spec, self.maps.grids)
        self.principal.save(folder)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Dfm:
        """Read a detector that ``save`` wrote. UserError if it is damaged."""
        from .description import load_description
        from .principal_components import PrincipalComponents

        described = load_description(folder, DfmSpec)
        return cls(described.spec, PrincipalComponents.load(folder, device), described.grids)
