"""A fixed number of threads, for what would show how many there were, and several such works side by side."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from .precision import full_precision

Item = TypeVar("Item")
Result = TypeVar("Result")

# With one, an image takes longer than with all, but no thread waits for another: several images at once are fastest so.
THREADS = 1


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Let torch compute with ``THREADS`` threads and in full precision, whatever it was told.

    On the CPU, convolutions and matrix products cut long sums into pieces that depend on the number of threads, which
    shows in the last bits. Elementwise work, and sums that lie within one thread, need no such care.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with full_precision:
            yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Iterator[Result]:
    """Results of ``work`` in the order of ``items``; at most twice as many are under way or wait as there are workers.

    Without a number there are as many workers as torch has threads, for work that takes ``THREADS`` of them.
    """
    threads = torch.get_num_threads()
    workers = workers or max(1, threads // THREADS)
    pool = ThreadPoolExecutor(workers)
    waiting = []
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == 2 * workers:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what the workers set last is what a thread that starts later would begin with
