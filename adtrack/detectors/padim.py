"""PaDiM (Defard et al., PaDiM: a Patch Distribution Modeling Framework, ICPR 2020, arXiv 2011.08785)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..config import ImageSpec
from ..errors import UserError
from ..settings import WHOLE, at_least, setting
from .contract import Detector, FitResult, Scores
from .drift import DriftSpec

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from ..features.grids import Grid
    from .gaussians import Gaussians
    from .graphs import ScoreGraph
    from .training import TrainingSet


@dataclass(frozen=True)
class PadimSpec(DriftSpec):
    """How PaDiM's Gaussians are fitted: to ``dimensions`` of the layers' channels, which ``seed`` draws at random.

    The paper uses 100 channels of a ResNet-18, and 550 of a Wide ResNet-50-2.
    """

    search_order: ClassVar[tuple[str, ...]] = (*DriftSpec.search_order, "layers", "dimensions")
    # Each position has a Gaussian of its own, so draws that turn and move the image widen all of them: on magnetic
    # tiles draws and standardising cost more on Val-clean than they give on Val-shift, and smoothing gains on both.
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"smooth": 1.0})

    dimensions: int = setting(
        100,
        WHOLE,
        "PaDiM: number of channels that it uses, drawn at random.",
        at_least(1, "100 is the usual number."),
        key="padim_dimensions",
        tries=(25, 50, 100),
        brief="d{}",
        option=True,
    )
    _: KW_ONLY
    method: str = "padim"


class Padim(Detector[PadimSpec]):
    """A Gaussian of patch features at every grid position. A patch's score is its Mahalanobis distance."""

    spec_type = PadimSpec
    name = "PaDiM"
    rows_called = "Gaussians"
    requires = ("anomalib",)
    least_images = 2

    def __init__(self, spec: PadimSpec, gaussians: Gaussians, grids: Mapping[str, Grid], view: int) -> None:
        """``view`` is the side of the view in pixels."""
        from .gaussians import finest_first

        self.spec, self.gaussians, self.view = spec, gaussians, view
        self.grids = {layer: grids[layer] for layer in spec.layers}
        self._ordered = finest_first(spec.layers, grids)

    @classmethod
    def prepare(cls) -> None:
        """Import anomalib."""
        from .gaussians import load_anomalib

        load_anomalib()

    @classmethod
    def fit(cls, train: TrainingSet, spec: PadimSpec) -> FitResult[PadimSpec]:
        """Estimate the Gaussians."""
        from .gaussians import fit_gaussians

        if len(train) < cls.least_images:
            raise UserError(f"PaDiM must see at least {cls.least_images} training images, but got {len(train)}.")
        return FitResult(cls(spec, fit_gaussians(train, spec), train.grids, train.view))

    @property
    def grid(self) -> Grid:
        """The grid of the finest layer."""
        return self.grids[self._ordered[0]]

    @property
    def rows(self) -> int:
        return len(self.gaussians)

    @property
    def megabytes(self) -> float:
        return sum(tensor.nbytes for tensor in self.state().values()) / 1e6

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """The patches' Mahalanobis distances; an image's score is the maximum of anomalib's anomaly map."""
        return self.gaussians.score(batch, self._ordered, self.view, self.spec.standardise)

    def graph(self) -> ScoreGraph:
        """The Mahalanobis distances, and the maximum of anomalib's anomaly map."""
        from .padim_graph import PadimGraph

        return PadimGraph(self.gaussians, self._ordered, self.view, self.spec.standardise)

    def state(self) -> Mapping[str, Tensor]:
        return self.gaussians.tensors()

    def save(self, folder: Path) -> None:
        """Write ``padim.safetensors`` and ``detector.json``."""
        from .description import save_description

        save_description(folder, self.spec, self.grids, view=self.view)
        self.gaussians.save(folder)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Padim:
        """Read a detector that ``save`` wrote. UserError if it is damaged."""
        from .description import load_description
        from .gaussians import Gaussians

        described = load_description(folder, PadimSpec)
        gaussians = Gaussians.load(folder, described.spec.dimensions, device)
        try:
            view = ImageSpec(described.fields["view"], 0).size
        except (KeyError, UserError) as error:
            raise UserError(f"a PaDiM model must say the side of its view, but {folder} does not ({error}).") from error
        return cls(described.spec, gaussians, described.grids, view)
