"""Greedy orders on disk: one order serves every coreset fraction, so a study pays once for the longest.

An order that is interrupted is kept as far as it had come, and continued from there. Each order carries a digest: a
damaged one would choose other patches, or patches that do not exist, so it is computed again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..cache import cache_folder
from ..features.tensor_file import read_tensors, write_tensors
from ..progress import bar

Grow = Callable[[Tensor | None], Iterator[Tensor]]  # an order as it grows, from the beginning that is known, if one is
_KEPT_AFTER = 30.0  # seconds of work that a killed process may lose


@dataclass(frozen=True)
class Order:
    """The beginning of a greedy order: ``indices`` int64 (count,), and the ``seconds`` that it took to compute them,
    now or whenever they were computed."""

    indices: Tensor
    seconds: float


class OrderStore:
    """The orders below ``folder``, each with the seconds that its parts took when they were computed.

    A process that is killed loses at most the last ``kept_after`` seconds of an order.
    """

    def __init__(self, folder: Path | None = None, kept_after: float = _KEPT_AFTER) -> None:
        self.folder = folder or cache_folder("orders")
        self._kept_after = kept_after

    def orders(self, key: str, counts: Sequence[int], grow: Grow) -> Iterator[Order]:
        """The first ``counts[0]`` indices of the order called ``key``, then the first ``counts[1]`` and so on.

        ``counts`` rise. ``grow(prefix)`` continues an order that is known. It is asked for no more than the next count
        needs, and other processes may use the order while nobody asks.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{key}.safetensors"
        growing: _Growing | None = None
        for count in counts:
            with FileLock(f"{file}.lock"):
                known = _read(file)
                if known is None or len(known["order"]) < count:
                    growing = growing or _Growing(file, known, self._kept_after, grow)
                    known = growing.to(count)
            seconds = float(np.interp(count, known["counts"].numpy(), known["seconds"].numpy()))
            yield Order(known["order"][:count], seconds)


def _read(file: Path) -> dict[str, Tensor] | None:
    """The order in ``file``; None if there is no file, or if the order is not surely the one that was written."""
    return read_tensors(file, f"The cache held the order {file.stem[:12]}… damaged; it is found again.")


class _Growing:
    """An order that is being computed: how far it was after how many seconds of work."""

    def __init__(self, file: Path, known: dict[str, Tensor] | None, kept_after: float, grow: Grow) -> None:
        self.file, self.kept_after = file, kept_after
        self.order = known["order"] if known else torch.empty(0, dtype=torch.int64)
        self.counts = known["counts"].tolist() if known else [0]
        self.seconds = known["seconds"].tolist() if known else [0.0]
        self.rounds = grow(known["order"] if known else None)

    def to(self, count: int) -> dict[str, Tensor]:
        """What is known of the order when it has ``count`` indices or more."""
        before, started = self.seconds[-1], time.perf_counter()
        kept = started
        try:
            with bar(count, "Greedy coreset", "patch") as progress:
                progress.update(min(count, len(self.order)))
                while len(self.order) < count:
                    self.order = next(self.rounds)
                    now = time.perf_counter()
                    self.counts.append(len(self.order))
                    self.seconds.append(before + now - started)
                    progress.update(min(count, len(self.order)) - progress.n)
                    if now - kept > self.kept_after:
                        self.keep()
                        kept = now
        finally:
            known = self.keep()
        return known

    def keep(self) -> dict[str, Tensor]:
        """What is known of the order, which is written to disk if it has begun."""
        known = {
            "order": self.order.cpu().clone(),
            "counts": torch.tensor(self.counts),
            "seconds": torch.tensor(self.seconds, dtype=torch.float64),
        }
        if len(self.order):
            full = f"The cache is full: the order of {self.file.stem[:12]}… is not kept for later banks."
            write_tensors(self.file, known, full)
        return known
