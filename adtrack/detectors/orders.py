"""Greedy orders on disk: one order serves every coreset fraction, so a study pays once for the longest."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..cache import cache_folder

Compute = Callable[[Tensor | None, Callable[[int], None]], Tensor]


class OrderStore:
    """Orders below ``folder``, each with the seconds that its parts took when they were computed."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder("orders")
        self.seconds = 0.0  # that the last order asked for took to compute, then or now

    def order(self, key: str, count: int, compute: Compute) -> Tensor:
        """The first ``count`` indices of the order called ``key``; ``compute(prefix, watch)`` continues a shorter one
        and calls ``watch`` with the number of indices found so far."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{key}.safetensors"
        with FileLock(f"{file}.lock"):
            known = _read(file)
            if known is None or len(known["order"]) < count:
                known = _longer(known, compute)
                partial = file.with_suffix(".partial")
                save_file(known, partial)
                partial.replace(file)
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


def _longer(known: dict[str, Tensor] | None, compute: Compute) -> dict[str, Tensor]:
    before = float(known["seconds"][-1]) if known else 0.0
    counts, seconds, started = [], [], time.perf_counter()

    def watch(count: int) -> None:
        counts.append(count)
        seconds.append(before + time.perf_counter() - started)

    order = compute(known["order"] if known else None, watch)
    watch(len(order))
    return {
        "order": order,
        "counts": torch.tensor(([*known["counts"].tolist()] if known else [0]) + counts),
        "seconds": torch.tensor(([*known["seconds"].tolist()] if known else [0.0]) + seconds, dtype=torch.float64),
    }
