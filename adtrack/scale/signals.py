"""Ctrl-C, which a terminal sends to this process and to all that it has started."""

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker


@contextlib.contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Processes that are started in this ``with`` block pay no heed to Ctrl-C from their first moment, since the
    process that has started them ends them."""
    resource_tracker.ensure_running()  # Python starts this helper before the first process, and lets Ctrl-C in again
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
