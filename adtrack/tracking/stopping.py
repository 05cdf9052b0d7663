"""Ctrl-C, and a scheduler's signal to stop, at moments when they would lose something."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stopped_later() -> Iterator[None]:
    """A signal to stop that comes during the ``with`` block raises KeyboardInterrupt at its end.

    What the block has assigned is known by then. Only the main thread is ever interrupted; others need no care.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    heeded = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = {number: handler for number, handler in heeded.items() if callable(handler)}  # others do not raise
    for number in heeded:
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt
