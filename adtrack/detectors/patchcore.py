"""PatchCore (Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from ..config import LARGEST_VIEW, LayersSpec
from ..errors import UserError
from ..settings import NUMBER, WHOLE, WHOLE_OR_NONE, at_least, setting, whole, within
from .contract import Detector, FitResult, Scores

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from ..features.feature_set import FeatureSet
    from ..features.grids import Grid
    from ..progress import Progress
    from .bank import MemoryBank
    from .training import TrainingSet


def _odd(label: str, value: int) -> None:
    whole(label, value, 1, "3 is the usual size.", LARGEST_VIEW)
    if value % 2 == 0:
        raise UserError(f"{label} must be odd, but got {value}.", f"{value - 1} or {value + 1}, for example.")


def _whole_or_none(label: str, value: int | None) -> None:
    if value is not None:
        whole(label, value, 1, "None keeps all dimensions.")


@dataclass(frozen=True)
class PatchCoreSpec(LayersSpec):
    """How a memory bank is built from patch features, and how it scores."""

    search_order: ClassVar[tuple[str, ...]] = ("patch_size", "layers", "coreset_fraction")

    patch_size: int = setting(
        3,
        WHOLE,
        "PatchCore: side of the neighbourhood that a patch is averaged over, odd.",
        _odd,
        tries=(1, 3, 5, 7),
        brief="p{}",
        option=True,
    )
    coreset_fraction: float = setting(
        0.1,
        NUMBER,
        "PatchCore: share of the patches that the memory bank keeps.",
        within(0, 1, "0.01 keeps 1 % of the patches.", low_included=False),
        tries=(0.01, 0.025, 0.05, 0.1, 0.25),
        brief="{:g}",
        option=True,
    )
    reweight_neighbours: int = setting(
        9,
        WHOLE,
        "PatchCore: neighbours that re-weight an image's score (b in equation 7); 1 switches it off.",
        at_least(1, "1 switches the re-weighting off."),
        option=True,
    )
    projection: int | None = setting(
        128,
        WHOLE_OR_NONE,
        "PatchCore: dimensions of the random projection in which the coreset is chosen; none keeps all.",
        _whole_or_none,
    )
    _: KW_ONLY
    method: str = "patchcore"


class PatchCore(Detector[PatchCoreSpec]):
    """A memory bank of patch features. An image is as anomalous as the patch that is farthest from the bank."""

    spec_type = PatchCoreSpec
    name = "PatchCore"
    rows_called = "patches"
    ladder = "coreset_fraction"

    def __init__(
        self, spec: PatchCoreSpec, bank: MemoryBank, grids: Mapping[str, Grid], origins: np.ndarray | None = None
    ) -> None:
        """``origins`` int64 (rows,) is the index of each row's training image, None for a bank loaded from a file."""
        self.spec, self.bank, self.origins = spec, bank, origins
        self.grids = {layer: grids[layer] for layer in spec.layers}

    @classmethod
    def fit(cls, train: TrainingSet, spec: PatchCoreSpec) -> FitResult[PatchCoreSpec]:
        """Build the bank, whose patches a greedy order chooses."""
        return next(cls.climb(train, [spec]))

    @classmethod
    def climb(cls, train: TrainingSet, specs: Sequence[PatchCoreSpec]) -> Iterator[FitResult[PatchCoreSpec]]:
        """Build one bank after the other; each is the beginning of the next one."""
        from .building import growing_banks

        for spec, built in zip(specs, growing_banks(train, specs), strict=True):
            yield FitResult(cls(spec, built.bank, train.grids, built.origins), built.saved_seconds)

    @classmethod
    def effort(cls, train: FeatureSet, spec: PatchCoreSpec) -> float:
        """Numbers that are made into patches, and numbers that the greedy order compares; to make one takes about as
        long as to compare ten thousand."""
        shapes = [train.layers[layer].shape for layer in spec.layers]
        patches = max(images * height * width for images, _, height, width in shapes)
        dimensions = sum(shape[1] for shape in shapes)
        compared = min(dimensions, spec.projection or dimensions)
        return patches * (1e4 * dimensions + spec.coreset_fraction * patches * compared)

    @property
    def grid(self) -> Grid:
        """The grid of the finest layer."""
        from ..features.patches import finest

        return self.grids[finest(self.spec.layers, self.grids)]

    @property
    def rows(self) -> int:
        return len(self.bank)

    @property
    def megabytes(self) -> float:
        return self.bank.megabytes

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """The distance of every patch to its nearest patch in the bank, and the images' scores."""
        from .image_score import score_patches

        return score_patches(self._patches(batch), self.bank, self.spec.reweight_neighbours)

    def score_images(self, features: FeatureSet, progress: Progress) -> np.ndarray:
        """The images' scores by their farthest patches alone. What is learned of the images serves the next bank."""
        from ..config import digest
        from .hausdorff import farthest_patches
        from .image_score import reweighted
        from .scoring import images_at_once

        def merge(start: int, stop: int) -> Tensor:
            return self._patches(features.chunk(start, stop, self.spec.layers)).flatten(1, 2)

        key = digest({"features": features.key, "layers": self.spec.layers, "patch": self.spec.patch_size})
        at_once = images_at_once(features, self.spec.inputs)
        found = farthest_patches(key, len(features), merge, self.bank, at_once, progress)
        scores = reweighted(self.bank, found.patches, found.rows, found.distances, self.spec.reweight_neighbours)
        image: np.ndarray = scores.cpu().numpy()
        return image

    def nearest_images(self, batch: Mapping[str, Tensor]) -> np.ndarray | None:
        """The index of the training image that holds the nearest patch of the bank, for each patch."""
        if self.origins is None:
            return None
        patches = self._patches(batch)
        rows = self.bank.nearest(patches.flatten(0, 2))[1].reshape(patches.shape[:3])
        nearest: np.ndarray = self.origins[rows.cpu().numpy()]
        return nearest

    def _patches(self, batch: Mapping[str, Tensor]) -> Tensor:
        from ..features.patches import merge_layers

        return merge_layers(batch, self.spec.layers, self.grids, self.spec.patch_size)

    def state(self) -> Mapping[str, Tensor]:
        return {"patches": self.bank.patches}

    def save(self, folder: Path) -> None:
        """Write ``bank.safetensors`` and ``detector.json``."""
        from .description import save_description

        self.bank.save(folder)
        save_description(folder, self.spec, self.grids)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> PatchCore:
        """Read a detector that ``save`` wrote. UserError if it is damaged."""
        from .bank import MemoryBank
        from .description import load_description

        described = load_description(folder, PatchCoreSpec)
        return cls(described.spec, MemoryBank.load(folder).to(device), described.grids)
