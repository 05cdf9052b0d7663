"""Builds a memory bank from the features of good images; a greedy order chooses the patches."""

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..config import digest
from ..errors import UserError
from ..features.threads import fixed_threads, side_by_side, workers_on
from .bank import MemoryBank
from .coreset import coreset_count, growing_greedy_order, projection_matrix
from .order_cache import Order, OrderStore
from .patch_space import PatchSpace, Whitening
from .training import TrainingSet

if TYPE_CHECKING:  # patchcore.py imports this module, and only when torch is needed
    from .patchcore_spec import PatchCoreSpec


@dataclass(frozen=True)
class BuiltBank:
    """A bank, how its patches were whitened, the index int64 (rows,) of each row's training image, and the seconds that
    a cached order has saved."""

    bank: MemoryBank
    whitening: Whitening | None
    origins: np.ndarray
    saved_seconds: float


def growing_banks(train: TrainingSet, specs: Sequence["PatchCoreSpec"]) -> Iterator[BuiltBank]:
    """Build a bank for each specification, from good images; they differ in the coreset fraction alone, which rises.

    A smaller bank is the beginning of a larger one, because one greedy order serves all of them. The patches are
    computed once for the order, projected, and once more for each bank, in full, for the rows that are new. So memory
    never holds all full patches, only the projected patches and the bank. The order is cached below the
    folder ``train.kept``.

    A fraction is one of the patches of the images as they are: further draws of them are patches to choose from, and do
    not make the bank larger. A bank of all patches holds them as they come, as there is nothing to choose.
    """
    spec = specs[-1]
    each = PatchSpace.of(spec, train.grids).count(train.batch(0, 1))
    total = len(train) * each
    counts = [coreset_count(spec.coreset_fraction, train.undrawn * each) for spec in specs]
    # The digest of the first image's patches is part of the key, so code that makes other patches gets another order.
    patches = TrainingPatches.of(train, spec)
    first = hashlib.sha256(patches.projected_of(0).cpu().numpy().tobytes()).hexdigest()
    found_with = {"layers": spec.layers, "patch": spec.patch_size, "projection": spec.projection, "seed": spec.seed}
    key = digest({"features": train.key, "first": first, **found_with})
    rows: Tensor | None = None
    waited, started = 0.0, time.perf_counter()
    chosen = [count for count in counts if count < total]
    orders = OrderStore(train.kept / "orders").orders(key, chosen, partial(patches.order, max(chosen, default=0)))
    everything = (Order(torch.arange(total), 0.0) for count in counts if count == total)
    for order in itertools.chain(orders, everything):
        waited += time.perf_counter() - started
        if len(order.indices) == total:
            rows = None
        more = patches.chosen(order.indices[0 if rows is None else len(rows) :])
        rows = more if rows is None else torch.cat([rows, more])
        yield BuiltBank(
            MemoryBank(rows), patches.space.whitening, (order.indices // each).numpy(), max(0.0, order.seconds - waited)
        )
        started = time.perf_counter()


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
        if written != len(order):
            raise UserError(
                f"a greedy order must name some of the {seen} patches, but {len(order) - written} of its {len(order)} "
                "entries name none of them.",
                "adtrack cache --clear removes cached orders.",
            )
        return bank
