"""PatchCore (Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..config import digest
from .contract import Detector, FitResult, Scores
from .patchcore_spec import PatchCoreSpec

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from ..features.feature_set import FeatureSet
    from ..features.grids import Grid
    from ..progress import Progress
    from .bank import MemoryBank
    from .graphs import ScoreGraph
    from .image_score import ScoreRule
    from .patch_space import Whitening
    from .training import TrainingSet


class PatchCore(Detector[PatchCoreSpec]):
    """A memory bank of patch features. An image is as anomalous as the patch that is farthest from the bank."""

    spec_type = PatchCoreSpec
    name = "PatchCore"
    rows_called = "patches"
    ladder = "coreset_fraction"
    shares_out = True

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
    def patch_digest(self) -> str:
        """The bank and the space: banks of several trials are equal where these differ in ``score_top`` alone."""
        return digest({**self.space.about, "bank": self.bank.sha256})

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

    def graph(self) -> ScoreGraph:
        """Patches, the nearest rows of the bank, and the scores, with the neighbours of all rows as a table."""
        from .patchcore_graph import PatchCoreGraph

        return PatchCoreGraph(self.space, self.bank, self._rule)

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
