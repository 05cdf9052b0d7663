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
from ..errors import UserError
from ..features.patches import finest, merge_layers
from ..features.threads import fixed_threads
from .bank import MemoryBank
from .coreset import coreset_count, growing_greedy_order, projection_matrix
from .order_cache import OrderStore
from .training import TrainingSet

if TYPE_CHECKING:  # patchcore.py imports this module, and only when torch is needed
    from .patchcore import PatchCoreSpec


@dataclass(frozen=True)
class BuiltBank:
    """A bank, the index int64 (rows,) of each row's training image, and the seconds that a cached order has saved."""

    bank: MemoryBank
    origins: np.ndarray
    saved_seconds: float


def growing_banks(train: TrainingSet, specs: Sequence["PatchCoreSpec"]) -> Iterator[BuiltBank]:
    """Build a bank for each specification, from good images; they differ in the coreset fraction alone, which rises.

    A smaller bank is the beginning of a larger one, because one greedy order serves all of them. The patches are
    computed once for the order, projected, and once more for each bank, in full, for the rows that are new. So memory
    never holds all full patches, only the projected patches and the bank. The order is cached in the folder
    ``train.kept``.
    """
    spec = specs[-1]
    one = train.batch(0, 1)[finest(spec.layers, train.grids)]
    each = one.shape[2] * one.shape[3]
    counts = [coreset_count(spec.coreset_fraction, len(train) * each) for spec in specs]
    # The digest of the first image's patches is part of the key, so code that makes other patches gets another order.
    first = hashlib.sha256(next(_projected(train, spec)).cpu().numpy().tobytes()).hexdigest()
    found_with = {"layers": spec.layers, "patch": spec.patch_size, "projection": spec.projection, "seed": spec.seed}
    key = digest({"features": train.key, "first": first, **found_with})
    rows: Tensor | None = None
    waited, started = 0.0, time.perf_counter()
    for order in OrderStore(train.kept).orders(key, counts, partial(_grow, train, spec, counts[-1])):
        waited += time.perf_counter() - started
        more = _chosen(train, spec, order.indices[0 if rows is None else len(rows) :])
        rows = more if rows is None else torch.cat([rows, more])
        yield BuiltBank(MemoryBank(rows), (order.indices // each).numpy(), max(0.0, order.seconds - waited))
        started = time.perf_counter()


def _grow(train: TrainingSet, spec: "PatchCoreSpec", count: int, prefix: Tensor | None) -> Iterator[Tensor]:
    """The greedy order as it grows to ``count`` patches."""
    return growing_greedy_order(_points(train, spec), count, seed=spec.seed, projection=None, prefix=prefix)


def _merged(train: TrainingSet, spec: "PatchCoreSpec") -> Iterator[Tensor]:
    """The patch features (h · w, D) of each image in turn.

    The shape is always that of one image, so that products with it have the same bits in all loops.
    """
    for outputs in train.images():
        yield merge_layers(outputs, spec.layers, train.grids, spec.patch_size).flatten(0, 2)


def _projected(train: TrainingSet, spec: "PatchCoreSpec") -> Iterator[Tensor]:
    """The projected patches float32 (h · w, r) of each image in turn, as the greedy order compares them."""
    matrix: Tensor | None = None
    for at, patches in enumerate(_merged(train, spec)):
        if at == 0:
            matrix = projection_matrix(patches.shape[1], spec.projection, spec.seed)
            matrix = None if matrix is None else matrix.to(patches.device)
        if matrix is not None:
            with fixed_threads():
                patches = patches @ matrix
        yield patches


def _points(train: TrainingSet, spec: "PatchCoreSpec") -> Tensor:
    """All projected patches, float32 (patches, r), in one block of memory."""
    images = _projected(train, spec)
    first = next(images)
    points = first.new_empty(len(train) * len(first), first.shape[1])
    for at, patches in enumerate(itertools.chain([first], images)):
        points[at * len(first) : (at + 1) * len(first)] = patches
    return points


def _chosen(train: TrainingSet, spec: "PatchCoreSpec", order: Tensor) -> Tensor:
    """The full features of the chosen patches, in the order in which they were chosen: float32 (count, D).

    UserError if the order names patches that do not exist. Their rows would stay unwritten.
    """
    rank = torch.argsort(order)
    ascending = order[rank]
    images = _merged(train, spec)
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
