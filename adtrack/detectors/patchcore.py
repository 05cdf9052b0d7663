"""PatchCore (Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..config import LARGEST_VIEW
from ..errors import UserError
from ..settings import NUMBER, TEXT, WHOLE, WHOLE_OR_NONE, at_least, setting, whole, within
from .contract import Detector, FitResult, Scores
from .drift import DriftSpec

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from ..features.feature_set import FeatureSet
    from ..features.grids import Grid
    from ..progress import Progress
    from .bank import MemoryBank
    from .image_score import ScoreRule
    from .patch_space import Whitening
    from .training import TrainingSet


EUCLIDEAN, COSINE = "euclidean", "cosine"


def _odd(label: str, value: int) -> None:
    whole(label, value, 1, "3 is the usual size.", LARGEST_VIEW)
    if value % 2 == 0:
        raise UserError(f"{label} must be odd, but got {value}.", f"{value - 1} or {value + 1}, for example.")


def _whole_or_none(label: str, value: int | None) -> None:
    if value is not None:
        whole(label, value, 1, "None keeps all dimensions.")


def _distance(label: str, value: object) -> None:
    if value not in (EUCLIDEAN, COSINE):
        raise UserError(
            f"{label} must be {EUCLIDEAN} or {COSINE}, but got {value!r}.", f"{EUCLIDEAN} is the usual one."
        )


@dataclass(frozen=True)
class PatchCoreSpec(DriftSpec):
    """How a memory bank is built from patch features, and how it scores.

    By ``distance`` "cosine", patches are brought to length 1, in the bank as in the images that are scored, and the
    distance of two is 1 − cos of the angle between them, as in AnomalyDINO (Damm et al., *AnomalyDINO: Boosting
    Patch-based Few-shot Anomaly Detection with DINOv2*, WACV 2025, arXiv 2405.14529). That is half the square of their
    Euclidean distance, so the nearest patches and the farthest ones are found as exactly, by the same search. A patch
    of zeros is at 0 from another one and at ½ from all that have a direction.
    """

    search_order: ClassVar[tuple[str, ...]] = (
        *DriftSpec.search_order,
        *("score_top", "patch_size", "layers", "coreset_fraction"),
    )

    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {},
        {"distance": COSINE, "patch_size": 1, "score_top": 0.01},
        {"smooth": 1.0, "standardise": 1.0, "augment": 3, "score_top": 0.04},
    )

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
        "PatchCore: rows of the memory bank, as a share of the patches of the Train images as they are.",
        within(0, 1, "0.01 keeps 1 % of the patches.", low_included=False),
        tries=(0.01, 0.025, 0.05, 0.1),
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
    whiten: float = setting(
        0.0,
        NUMBER,
        "PatchCore: shrinkage of the covariance by which patches are whitened before they are compared; 0 whitens "
        "nothing.",
        within(0, 1, "0.1 is a usual shrinkage, 0 whitens nothing."),
        brief="white {:g}",
        option=True,
        later=True,
    )
    score_top: float = setting(
        0.0,
        NUMBER,
        "PatchCore: share of an image's patches, the farthest ones, whose mean distance is its score; 0 takes the "
        "farthest patch alone, re-weighted.",
        within(0, 1, "0.01 takes the mean of the farthest 1 %."),
        tries=(0.0, 0.01, 0.04),
        brief="top {:g}",
        option=True,
        later=True,
    )
    distance: str = setting(
        EUCLIDEAN,
        TEXT,
        "PatchCore: how patches are compared: euclidean, or cosine, which leaves their lengths out.",
        _distance,
        brief="{}",
        option=True,
        later=True,
    )
    stride: int = setting(
        1,
        WHOLE,
        "PatchCore: patches are taken at every so-many-th cell of the finest layer, along both axes.",
        at_least(1, "1 takes every cell.", LARGEST_VIEW),
        brief="stride {}",
        option=True,
        later=True,
    )
    method: str = "patchcore"

    def for_fewer(self, share: float) -> PatchCoreSpec:
        """The same number of rows: a larger fraction of fewer patches, at most all of them."""
        return replace(self, coreset_fraction=min(1.0, self.coreset_fraction / share))


class PatchCore(Detector[PatchCoreSpec]):
    """A memory bank of patch features. An image is as anomalous as the patch that is farthest from the bank."""

    spec_type = PatchCoreSpec
    name = "PatchCore"
    rows_called = "patches"
    ladder = "coreset_fraction"

    def __init__(
        self,
        spec: PatchCoreSpec,
        bank: MemoryBank,
        grids: Mapping[str, Grid],
        whitening: Whitening | None = None,
        origins: np.ndarray | None = None,
    ) -> None:
        """``origins`` int64 (rows,) is the index of each row's training image, None for a bank loaded from a file."""
        from .patch_space import PatchSpace

        self.spec, self.bank, self.origins = spec, bank, origins
        self.space = PatchSpace.of(spec, grids, whitening)

    @classmethod
    def fit(cls, train: TrainingSet, spec: PatchCoreSpec) -> FitResult[PatchCoreSpec]:
        """Build the bank, whose patches a greedy order chooses."""
        return next(cls.climb(train, [spec]))

    @classmethod
    def climb(cls, train: TrainingSet, specs: Sequence[PatchCoreSpec]) -> Iterator[FitResult[PatchCoreSpec]]:
        """Build one bank after the other; each is the beginning of the next one."""
        from .building import growing_banks

        for spec, built in zip(specs, growing_banks(train, specs), strict=True):
            detector = cls(spec, built.bank, train.grids, built.whitening, built.origins)
            yield FitResult(detector, built.saved_seconds)

    @classmethod
    def effort(cls, train: FeatureSet, spec: PatchCoreSpec) -> float:
        """Numbers that are made into patches, and numbers that the greedy order compares; to make one takes about as
        long as to compare ten thousand."""
        shapes = [train.layers[layer].shape for layer in spec.layers]
        patches = max(images * height * width for images, _, height, width in shapes) / spec.stride**2
        dimensions = sum(shape[1] for shape in shapes)
        compared = min(dimensions, spec.projection or dimensions)
        rows, drawn = spec.coreset_fraction * patches, (1 + spec.augment) * patches
        return drawn * (1e4 * dimensions + (rows if rows < drawn else 0) * compared)

    @property
    def grid(self) -> Grid:
        """The grid of the finest layer, or of every ``stride``-th of its cells."""
        return self.space.grid

    @property
    def rows(self) -> int:
        return len(self.bank)

    @property
    def megabytes(self) -> float:
        return sum(tensor.nbytes for tensor in self.state().values()) / 1e6

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        """The distance of every patch to its nearest patch in the bank, and the images' scores."""
        from .image_score import score_patches

        return score_patches(self.space.patches(batch), self.bank, self._rule)

    def score_images(self, features: FeatureSet, progress: Progress) -> np.ndarray:
        """The images' scores by their farthest patches alone. What is learned of the images serves the next bank."""
        from .image_score import score_farthest

        return score_farthest(self.space, features, self.bank, self._rule, progress)

    @property
    def _rule(self) -> ScoreRule:
        from .image_score import ScoreRule

        return ScoreRule(self.spec.reweight_neighbours, self.spec.score_top, self.space.cosine)

    def nearest_images(self, batch: Mapping[str, Tensor]) -> np.ndarray | None:
        """The index of the training image that holds the nearest patch of the bank, for each patch."""
        if self.origins is None:
            return None
        patches = self.space.patches(batch)
        rows = self.bank.nearest(patches.flatten(0, 2))[1].reshape(patches.shape[:3])
        nearest: np.ndarray = self.origins[rows.cpu().numpy()]
        return nearest

    def state(self) -> Mapping[str, Tensor]:
        whitening = self.space.whitening
        return {"patches": self.bank.patches, **(whitening.tensors() if whitening else {})}

    def save(self, folder: Path) -> None:
        """Write ``bank.safetensors``, ``detector.json`` and, if patches are whitened, ``whitening.safetensors``."""
        from .description import save_description

        self.bank.save(folder)
        if self.space.whitening is not None:
            self.space.whitening.save(folder)
        save_description(folder, self.spec, self.space.grids)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> PatchCore:
        """Read a detector that ``save`` wrote. UserError if it is damaged."""
        from .bank import MemoryBank
        from .description import load_description
        from .patch_space import Whitening

        described = load_description(folder, PatchCoreSpec)
        whitening = Whitening.load(folder, device) if described.spec.whiten else None
        return cls(described.spec, MemoryBank.load(folder).to(device), described.grids, whitening)
