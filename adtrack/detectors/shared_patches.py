"""The patches of a training set that a crew shares out: each process holds those of its images, projected."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..features.precision import full_precision
from .coreset import growing_held_order
from .exact.distance import check_vectors
from .exact.holder import PointHolder
from .exact.plan import USUAL
from .patch_space import PatchSpace
from .training import Answer, HeldObjects, TrainingSet
from .training_patches import TrainingPatches, check_written

if TYPE_CHECKING:
    from .patchcore_spec import PatchCoreSpec


@dataclass(frozen=True)
class _Whole:
    """What every process must know of the whole: the specification, its space, how many patches an image has, how many
    there are in all, and how many centres the order shall have at most."""

    spec: "PatchCoreSpec"
    space: PatchSpace
    each: int
    total: int
    count: int


class HeldPatches:
    """The patches of some images, in the process that holds them, with the indices from ``first`` on."""

    def __init__(self, whole: _Whole, part: TrainingSet, first_image: int) -> None:
        self._whole, self._patches = whole, TrainingPatches(part, whole.spec, whole.space)
        self._first, self._size = first_image * whole.each, len(part) * whole.each

    @cached_property
    def _holder(self) -> PointHolder:
        points = self._patches.points()
        check_vectors("features", points)
        return PointHolder(points, self._whole.count, USUAL, self._first, self._whole.total)

    def answer(self, question: Callable[[PointHolder], Answer]) -> Answer:
        """What the holder of the projected patches answers in a round of the greedy order."""
        with full_precision:
            return question(self._holder)

    def chosen(self, order: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Which of these patches are held here, as places int64 (p,) in ``order``, and their full features float32
        (p, D)."""
        own = order - self._first
        places = ((own >= 0) & (own < self._size)).nonzero().squeeze(1)
        return places.numpy(), self._patches.chosen(own[places]).cpu().numpy()


@dataclass(frozen=True)
class _Holders:
    """The holders of projected patches, as the rounds of the greedy order ask them."""

    held: HeldObjects[HeldPatches]

    def each(self, work: Callable[[PointHolder], Answer]) -> Iterable[Answer]:
        return self.held.each(partial(HeldPatches.answer, question=work))


@dataclass(frozen=True)
class SharedPatches:
    """The patches of all images, wherever they are held: what ``TrainingPatches`` gives, with the same bits."""

    here: TrainingPatches
    whole: _Whole
    held: HeldObjects[HeldPatches]

    @classmethod
    def of(cls, train: TrainingSet, spec: "PatchCoreSpec", each: int, count: int) -> "SharedPatches":
        """Those of a training set with a crew, whose images have ``each`` patches, for orders of ``count`` centres."""
        if train.crew is None:
            raise ValueError("patches are shared out by a crew, but the training set has none")
        here = TrainingPatches.of(train, spec)
        whole = _Whole(spec, here.space, each, len(train) * each, count)
        return cls(here, whole, train.crew.hold(partial(HeldPatches, whole)))

    @property
    def space(self) -> PatchSpace:
        return self.whole.space

    def projected_of(self, image: int) -> Tensor:
        """The projected patches float32 (h · w, r) of one image, made here."""
        return self.here.projected_of(image)

    def order(self, count: int, prefix: Tensor | None) -> Iterator[Tensor]:
        """The greedy order as it grows to ``count`` patches."""
        seed = self.whole.spec.seed
        return growing_held_order(_Holders(self.held), self.whole.total, count, seed=seed, prefix=prefix)

    def chosen(self, order: Tensor) -> Tensor:
        """The full features of the chosen patches, in the order in which they were chosen: float32 (count, D).

        UserError if the order names patches that do not exist. Their rows would stay unwritten.
        """
        bank: Tensor | None = None
        written = 0
        for places, rows in self.held.each(partial(HeldPatches.chosen, order=order)):
            if bank is None:
                bank = torch.empty(len(order), rows.shape[1], dtype=torch.float32)
            bank[torch.from_numpy(places)] = torch.from_numpy(rows.copy())  # what Ray hands over is read-only
            written += len(places)
        if bank is None:
            raise ValueError("patches must be held by somebody")
        check_written(order, written, self.whole.total)
        return bank
