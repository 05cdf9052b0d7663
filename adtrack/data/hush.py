"""What image libraries say by themselves of odd files is held back: adtrack says what is wrong, in a sentence of its
own."""

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable

from PIL import Image


def _tiff_error_handler() -> Callable[[int | None], int | None]:
    """libtiff's own way to choose what is told of errors; it gives the handler before. None as handler: nothing.

    Pillow chooses so for libtiff's warnings only, and what it leaves goes to the process's stderr, past Python. The
    function is looked up where Pillow's decoder finds it. Where libtiff is linked into that decoder there is none to be
    found, and its errors are still told.
    """
    try:
        choose = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):
        return lambda handler: handler
    choose.argtypes, choose.restype = [ctypes.c_void_p], ctypes.c_void_p
    return choose


class _Hushed:
    """Holds warnings of Pillow and errors of libtiff back while at least one thread is inside.

    Both are settings of the whole process: entered by several threads, each of which restores what it found, they may
    stay another thread's for good.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._filters = warnings.catch_warnings()
        self._choose_handler, self._handler = _tiff_error_handler(), None

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
                self._filters.__exit__()


# Python prints an error that a library logs to nobody; a program that has chosen where logs go still gets it there.
logging.getLogger("PIL").addHandler(logging.NullHandler())
hushed = _Hushed()
