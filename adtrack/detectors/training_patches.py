"""The patches of the images that a bank is built from, made image by image."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import UserError
from ..features.threads import fixed_threads, side_by_side, workers_on
from .coreset import growing_greedy_order, projection_matrix
from .patch_space import PatchSpace
from .training import TrainingSet

if TYPE_CHECKING:  # patchcore.py imports building.py, which imports this module, and only when torch is needed
    from .patchcore_spec import PatchCoreSpec


@dataclass(frozen=True)
class TrainingPatches:
    """The patches of the images that a bank is built from, in its space. They are made whenever they are read."""

    train: TrainingSet
    spec: "PatchCoreSpec"
    space: PatchSpace

    @classmethod
    def of(cls, train: TrainingSet, spec: "PatchCoreSpec") -> "TrainingPatches":
        """Those of a training set. If the specification whitens them, the whitening is fitted to them first."""
        return cls(train, spec, PatchSpace.fit(spec, train))

    def full(self) -> Iterator[Tensor]:
        """The patches (h · w, D) of each image in turn."""
        return self._of_all(self._full)

    def projected(self) -> Iterator[Tensor]:
        """The projected patches float32 (h · w, r) of each image in turn, as the greedy order compares them."""
        return self._of_all(self.projected_of)

    def projected_of(self, image: int) -> Tensor:
        """Those of one image: float32 (h · w, r)."""
        patches = self._full(image)
        matrix = projection_matrix(patches.shape[1], self.spec.projection, self.spec.seed)
        if matrix is None:
            return patches
        with fixed_threads():
            return patches @ matrix.to(patches.device)

    def _full(self, image: int) -> Tensor:
        """The patches of one image: a shape that is always the same, so that products with it have the same bits."""
        with fixed_threads():  # the other cores compute other images
            return self.space.patches(self.train.batch(image, image + 1)).flatten(0, 2)

    def _of_all(self, work: Callable[[int], Tensor]) -> Iterator[Tensor]:
        return side_by_side(work, range(len(self.train)), workers_on(self.train.features.device))

    def points(self) -> Tensor:
        """All projected patches, float32 (patches, r), in one block of memory."""
        images = self.projected()
        first = next(images)
        points = first.new_empty(len(self.train) * len(first), first.shape[1])
        for at, patches in enumerate(itertools.chain([first], images)):
            points[at * len(first) : (at + 1) * len(first)] = patches
        return points

    def order(self, count: int, prefix: Tensor | None) -> Iterator[Tensor]:
        """The greedy order as it grows to ``count`` patches."""
        return growing_greedy_order(self.points(), count, seed=self.spec.seed, projection=None, prefix=prefix)

    def chosen(self, order: Tensor) -> Tensor:
        """The full features of the chosen patches, in the order in which they were chosen: float32 (count, D).

        UserError if the order names patches that do not exist. Their rows would stay unwritten.
        """
        rank = torch.argsort(order)
        ascending = order[rank]
        images = self.full()
        first = next(images)
        bank = first.new_empty(len(order), first.shape[1])
        seen = written = 0
        for patches in itertools.chain([first], images):
            low, high = torch.searchsorted(ascending, torch.tensor([seen, seen + len(patches)])).tolist()
            bank[rank[low:high].to(patches.device)] = patches[(ascending[low:high] - seen).to(patches.device)]
            seen += len(patches)
            written += high - low
        check_written(order, written, seen)
        return bank


def check_written(order: Tensor, written: int, patches: int) -> None:
    """Raise UserError unless every entry of an order has named one of so many patches, whose row was ``written``."""
    if written != len(order):
        raise UserError(
            f"a greedy order must name some of the {patches} patches, but {len(order) - written} of its {len(order)} "
            "entries name none of them.",
            "adtrack cache --clear removes cached orders.",
        )
