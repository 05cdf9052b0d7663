"""A fixed number of threads for work whose bits depend on it, and several pieces of such work side by side."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from ..data.in_order import in_order
from .precision import full_precision

Item = TypeVar("Item")
Result = TypeVar("Result")

# With one thread an image takes longer than with all, but no thread waits for another: this is the fastest way to
# compute several images at once.
THREADS = 1


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Let torch compute with ``THREADS`` threads and in full precision, whatever it was told.

    On the CPU, convolutions and matrix products cut long sums into pieces that depend on the number of threads, which
    changes the last bits. Elementwise work, and sums within one thread, do not depend on it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with full_precision:
            yield
    finally:
        torch.set_num_threads(before)


def workers_on(device: torch.device) -> int | None:
    """How many pieces of work ``side_by_side`` takes up at once on a device: as many as it takes by itself on the CPU.
    A graphics card computes one piece with all that it has."""
    return None if device.type == "cpu" else 1


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Results of ``work`` in the order of ``items``. At most two items for each worker are in progress or wait.

    Without a number there are as many workers as torch has threads, divided by the ``THREADS`` that each takes.
    """
    threads = torch.get_num_threads()
    try:
        yield from in_order(work, items, workers or max(1, threads // THREADS))
    finally:
        torch.set_num_threads(threads)  # else threads that start later begin with the number that the workers set
