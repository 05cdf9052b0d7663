"""Greedy orders on disk: one order serves every coreset fraction, so a study pays once for the longest.

An order that is interrupted is kept as far as it had come, and continued from there. Each order carries a digest: a
damaged one would choose other patches, or patches that do not exist, so it is computed again.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..cache import cache_folder
from ..progress import bar, say
from ..troubles import is_full

Grow = Callable[[Tensor | None], Iterator[Tensor]]  # an order as it grows, from the beginning that is known, if one is
_DIGEST = "sha256"  # the header of an order's file names its digest by this word
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


def is_as_written(file: Path) -> bool | None:
    """Whether the order in ``file`` is the one that was written; None if it has no digest, as in earlier versions.

    Raises whatever safetensors raises if the file cannot be read.
    """
    told, held = _content(file)
    return None if told is None else told == _digest(file.stem, held)


def _read(file: Path) -> dict[str, Tensor] | None:
    """The order in ``file``; None if there is no file, or if the order is not surely the one that was written."""
    try:
        told, held = _content(file)
        whole = None if told is None else told == _digest(file.stem, held)
    except FileNotFoundError:
        return None
    except Exception:  # whatever a parser makes of damaged bytes, they are damaged
        whole = False
    if whole is False:
        say(f"The cache held the order {file.stem[:12]}… damaged; it is found again.")
    return held if whole else None


def _content(file: Path) -> tuple[str | None, dict[str, Tensor]]:
    """The digest that a file names (None if it has no header for one), and its tensors."""
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
        told = None if about is None else about.get(_DIGEST, "")
        names = list(opened.keys())
        return told, {name: opened.get_tensor(name) for name in names}


def _digest(key: str, held: dict[str, Tensor]) -> str:
    """The SHA-256 of the order's key and of its tensors' names, types, shapes and bytes."""
    state = hashlib.sha256(key.encode())
    for name in sorted(held):
        state.update(f"{name}:{held[name].dtype}:{tuple(held[name].shape)};".encode())
        state.update(held[name].numpy().tobytes())
    return state.hexdigest()


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
            self._write(known)
        return known

    def _write(self, known: dict[str, Tensor]) -> None:
        """Write what is known, under another name until it is whole.

        It serves later banks only: where the disk is full, this one is built without.
        """
        partial = self.file.with_suffix(".partial")
        try:
            save_file(known, partial, {_DIGEST: _digest(self.file.stem, known)})
            partial.replace(self.file)
        except (OSError, SafetensorError) as error:
            partial.unlink(missing_ok=True)
            if not is_full(error):
                raise
            say(f"The cache is full: the order of {self.file.stem[:12]}… is not kept for later banks.")
