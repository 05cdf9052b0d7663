"""Builds a memory bank from the features of good images; a greedy order chooses the patches."""

import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..config import digest
from .bank import MemoryBank
from .coreset import coreset_count
from .order_cache import Order, OrderStore
from .patch_space import PatchSpace, Whitening
from .shared_patches import SharedPatches
from .training import TrainingSet
from .training_patches import TrainingPatches

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
    never holds all full patches, only the projected patches and the bank. A crew shares out the projected ones. The
    order is cached below the folder ``train.kept``.

    A fraction is one of the patches of the images as they are: further draws of them are patches to choose from, and do
    not make the bank larger. A bank of all patches holds them as they come, as there is nothing to choose.
    """
    spec = specs[-1]
    each = PatchSpace.of(spec, train.grids).count(train.batch(0, 1))
    total = len(train) * each
    counts = [coreset_count(spec.coreset_fraction, train.undrawn * each) for spec in specs]
    # The digest of the first image's patches is part of the key, so code that makes other patches gets another order.
    most = max((count for count in counts if count < total), default=0)
    patches = TrainingPatches.of(train, spec) if train.crew is None else SharedPatches.of(train, spec, each, most)
    first = hashlib.sha256(patches.projected_of(0).cpu().numpy().tobytes()).hexdigest()
    found_with = {"layers": spec.layers, "patch": spec.patch_size, "projection": spec.projection, "seed": spec.seed}
    key = digest({"features": train.key, "first": first, **found_with})
    rows: Tensor | None = None
    waited, started = 0.0, time.perf_counter()
    chosen = [count for count in counts if count < total]
    orders = OrderStore(train.kept / "orders").orders(key, chosen, partial(patches.order, most))
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
