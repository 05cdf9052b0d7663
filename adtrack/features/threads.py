"""A fixed number of threads, for what would show how many there were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# With one, an image takes longer than with all, but no thread waits for another: several images at once are fastest so.
THREADS = 1


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Let torch compute with ``THREADS`` threads, whatever it was told.

    On the CPU, convolutions and matrix products cut long sums into pieces that depend on the number of threads, which
    shows in the last bits. Elementwise work, and sums that lie within one thread, need no such care.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
