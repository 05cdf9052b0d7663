"""Holds back what image libraries print about odd files: adtrack says itself, in a sentence, what is wrong."""

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable

from PIL import _imaging


def _tiff_error_handler() -> Callable[[int | None], int | None]:
    """libtiff's function that sets the handler of its errors and returns the one before; None prints nothing.

    Pillow sets a handler for libtiff's warnings only. Errors go to the process's stderr, past Python. The function is
    looked up where Pillow's decoder finds it. Where libtiff is linked into that decoder, it cannot be found, and errors
    are still printed.
    """
    try:
        choose = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):
        return lambda handler: handler
    choose.argtypes, choose.restype = [ctypes.c_void_p], ctypes.c_void_p
    return choose


class _Hushed:
    """Holds warnings of Pillow and errors of libtiff back while at least one thread is inside.

    Both are settings of the whole process. If each of several threads restored what it had found, the settings of one
    might stay for good; so the first thread changes them, and the last one restores them.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._filters = warnings.catch_warnings()
        self._choose_handler = _tiff_error_handler()
        self._handler: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
                self._handler = self._choose_handler(None)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._choose_handler(self._handler)
                self._filters.__exit__(None, None, None)


# Without this, Python prints errors that Pillow logs while no program listens. Programs that do still get them.
logging.getLogger("PIL").addHandler(logging.NullHandler())
hushed = _Hushed()
