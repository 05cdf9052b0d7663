"""Greedy orders on disk: one order serves every coreset fraction, so a study pays once for the longest.

One that is interrupted is kept as far as it had come, and goes on from there.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..cache import cache_folder

Compute = Callable[[Tensor | None, Callable[[Tensor], None]], Tensor]
_KEPT_AFTER = 30.0  # seconds of work that a killed process may lose


class OrderStore:
    """Orders below ``folder``, each with the seconds that its parts took when they were computed."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder("orders")
        self.seconds = 0.0  # that the last order asked for took to compute, then or now

    def order(self, key: str, count: int, compute: Compute) -> Tensor:
        """The first ``count`` indices of the order called ``key``; ``compute(prefix, watch)`` continues a shorter one
        and calls ``watch`` with the order as far as it is found."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{key}.safetensors"
        with FileLock(f"{file}.lock"):
            known = _read(file)
            if known is None or len(known["order"]) < count:
                growing = _Growing(file, known)
                try:
                    growing.watch(compute(known["order"] if known else None, growing.watch))
                finally:
                    known = growing.keep()
        self.seconds = float(np.interp(count, known["counts"].numpy(), known["seconds"].numpy()))
        return known["order"][:count]


def _read(file: Path) -> dict[str, Tensor] | None:
    try:
        return load_file(file)
    except FileNotFoundError:
        return None
    except Exception:  # a damaged cache entry is worth nothing and can be made again
        file.unlink(missing_ok=True)
        return None


class _Growing:
    """An order on its way: how far it was after how many seconds."""

    def __init__(self, file: Path, known: dict[str, Tensor] | None) -> None:
        self.file = file
        self.order = known["order"] if known else torch.empty(0, dtype=torch.int64)
        self.counts = known["counts"].tolist() if known else [0]
        self.seconds = known["seconds"].tolist() if known else [0.0]
        self.before, self.started = self.seconds[-1], time.perf_counter()
        self.kept = self.started

    def watch(self, order: Tensor) -> None:
        """``order`` is found by now."""
        now = time.perf_counter()
        self.order = order
        self.counts.append(len(order))
        self.seconds.append(self.before + now - self.started)
        if now - self.kept > _KEPT_AFTER:
            self.keep()
            self.kept = now

    def keep(self) -> dict[str, Tensor]:
        """Write it, if there is any of it, under another name until it is whole."""
        known = {
            "order": self.order.cpu().clone(),
            "counts": torch.tensor(self.counts),
            "seconds": torch.tensor(self.seconds, dtype=torch.float64),
        }
        if len(self.order):
            partial = self.file.with_suffix(".partial")
            save_file(known, partial)
            partial.replace(self.file)
        return known
