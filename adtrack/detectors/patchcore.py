"""PatchCore (Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265)."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import PatchCoreSpec, digest
from ..errors import UserError
from ..features.feature_set import FeatureSet
from ..features.grids import Grid
from ..features.patches import finest, merge_layers
from ..features.threads import fixed_threads
from ..progress import bar
from .bank import MemoryBank
from .base import Scores
from .coreset import coreset_count, greedy_order, projection_matrix
from .description import load_description, save_description
from .orders import OrderStore


class PatchCore:
    """A memory bank of patch features; an image is as anomalous as its least familiar patch."""

    def __init__(
        self, spec: PatchCoreSpec, bank: MemoryBank, grids: Mapping[str, Grid], origins: np.ndarray | None = None
    ) -> None:
        """``origins`` int64 (rows,) is the place of each row's training image; a bank that was loaded has none."""
        self.spec = spec
        self.bank = bank
        self.origins = origins
        self.layers = spec.layers
        self.grids = {layer: grids[layer] for layer in spec.layers}

    @classmethod
    def prepare(cls) -> None:
        """Nothing: all that it needs is loaded."""

    @classmethod
    def fit(cls, features: FeatureSet, spec: PatchCoreSpec, orders: OrderStore) -> "PatchCore":
        """Build the bank from the features of good images.

        The patches are made twice, once projected for the greedy order and once in full for the chosen rows, so that
        memory holds the projected ones and the bank but never all patches. The order is kept in ``orders``.
        """
        one = features.chunk(0, 1, spec.layers)[finest(spec.layers, features.grids)]
        total = len(features) * one.shape[2] * one.shape[3]
        count = coreset_count(spec.coreset_fraction, total)
        # What the first image looks like to the order stands for the code that makes patches: other code, other order.
        first = hashlib.sha256(next(_projected(features, spec)).cpu().numpy().tobytes()).hexdigest()
        found_with = {"layers": spec.layers, "patch": spec.patch_size, "projection": spec.projection, "seed": spec.seed}
        key = digest({"features": features.key, "first": first, **found_with})
        order = orders.order(key, count, lambda prefix, watch: _greedy(features, spec, count, prefix, watch))
        origins = (order // (total // len(features))).numpy()
        return cls(spec, MemoryBank(_chosen(features, spec, order)), features.grids, origins)

    @property
    def grid(self) -> Grid:
        return self.grids[finest(self.layers, self.grids)]

    @property
    def rows(self) -> int:
        return len(self.bank)

    @property
    def megabytes(self) -> float:
        return self.bank.megabytes

    def score(self, outputs: Mapping[str, Tensor]) -> Scores:
        """Distance of every patch to its nearest bank patch, and the image scores (equations 6 and 7)."""
        patches = self._patches(outputs)
        distances, rows = self.bank.nearest(patches.flatten(0, 2))
        images, height, width, _ = patches.shape
        patches = patches.flatten(1, 2)
        distances, rows = distances.reshape(images, -1), rows.reshape(images, -1)
        worst = distances.argmax(dim=1)  # the first of equals
        every = torch.arange(images, device=worst.device)
        image = self._reweighted(patches[every, worst], rows[every, worst], distances[every, worst])
        return Scores(image.cpu().numpy(), distances.reshape(images, height, width).cpu().numpy())

    def nearest_rows(self, outputs: Mapping[str, Tensor]) -> np.ndarray:
        """The bank row that is nearest to every patch: int64 (n, h, w)."""
        patches = self._patches(outputs)
        return self.bank.nearest(patches.flatten(0, 2))[1].reshape(patches.shape[:3]).cpu().numpy()

    def _patches(self, outputs: Mapping[str, Tensor]) -> Tensor:
        return merge_layers(outputs, self.layers, self.grids, self.spec.patch_size)

    def _reweighted(self, patches: Tensor, rows: Tensor, distances: Tensor) -> Tensor:
        """Equation 7 for each image's worst patch p (n, D), its nearest bank row m* (n,) and their distance s* (n,).

        s = (1 − exp‖p − m*‖ / Σ exp‖p − m‖) · s*, the sum over the b bank rows nearest to m*, itself among them. As
        exp overflows at distances that occur, the quotient is taken as exp of a difference of logarithms.
        """
        farthest = distances.double()
        neighbours = min(self.spec.reweight_neighbours, len(self.bank))
        if neighbours == 1:
            return farthest
        around = self.bank.around(rows, neighbours)
        apart = (patches[:, None].double() - self.bank.patches[around].double()).square().sum(dim=2).sqrt()
        return (1 - torch.exp(farthest - torch.logsumexp(apart, dim=1)).clamp(max=1)) * farthest

    def save(self, folder: Path) -> None:
        """Write ``bank.safetensors`` and ``detector.json``."""
        self.bank.save(folder)
        save_description(folder, self.spec, self.grids)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> "PatchCore":
        """Read what ``save`` wrote. UserError if it is damaged."""
        spec, grids, _ = load_description(folder, PatchCoreSpec)
        return cls(spec, MemoryBank.load(folder).to(device), grids)


def _merged(features: FeatureSet, spec: PatchCoreSpec) -> Iterator[Tensor]:
    """Patch features (h · w, D) of one image after the other: always in this shape, so that products of them have the
    same bits however the set is worked through."""
    for at in range(len(features)):
        outputs = features.chunk(at, at + 1, spec.layers)
        yield merge_layers(outputs, spec.layers, features.grids, spec.patch_size).flatten(0, 2)


def _greedy(
    features: FeatureSet, spec: PatchCoreSpec, count: int, prefix: Tensor | None, watch: Callable[[Tensor], None]
) -> Tensor:
    points = _points(features, spec)
    with bar(count, "Greedy coreset", "patch") as progress:

        def on_progress(order: Tensor) -> None:
            watch(order)
            progress.update(len(order) - progress.n)

        return greedy_order(points, count, seed=spec.seed, projection=None, prefix=prefix, on_progress=on_progress)


def _projected(features: FeatureSet, spec: PatchCoreSpec) -> Iterator[Tensor]:
    """Patches as the greedy order sees them, float32 (h · w, r), of one image after the other."""
    matrix: Tensor | None = None
    for at, patches in enumerate(_merged(features, spec)):
        if at == 0:
            matrix = projection_matrix(patches.shape[1], spec.projection, spec.seed)
            matrix = None if matrix is None else matrix.to(patches.device)
        if matrix is not None:
            with fixed_threads():
                patches = patches @ matrix
        yield patches


def _points(features: FeatureSet, spec: PatchCoreSpec) -> Tensor:
    """All projected patches, float32 (patches, r), written into one piece of memory."""
    points: Tensor | None = None
    for at, patches in enumerate(_projected(features, spec)):
        if points is None:
            points = patches.new_empty(len(features) * len(patches), patches.shape[1])
        points[at * len(patches) : (at + 1) * len(patches)] = patches
    return points


def _chosen(features: FeatureSet, spec: PatchCoreSpec, order: Tensor) -> Tensor:
    """The full patch features of the chosen patches, in their order: float32 (count, D). UserError: the order names
    patches that there are not, whose rows nobody would have written."""
    rank = torch.argsort(order)
    ascending = order[rank]
    bank: Tensor | None = None
    first = written = 0
    for patches in _merged(features, spec):
        low, high = torch.searchsorted(ascending, torch.tensor([first, first + len(patches)])).tolist()
        if bank is None:
            bank = patches.new_empty(len(order), patches.shape[1])
        bank[rank[low:high].to(patches.device)] = patches[(ascending[low:high] - first).to(patches.device)]
        first += len(patches)
        written += high - low
    if written != len(order):
        raise UserError(
            f"a greedy order must name patches of the {first} that there are, but {len(order) - written} of its "
            f"{len(order)} lie elsewhere.",
            "adtrack cache --clear removes the orders that are kept.",
        )
    return bank
