"""float32 arithmetic in float32, whatever torch has been told."""

import threading
from contextlib import ContextDecorator

import torch

_backends = torch.backends
OPERATIONS = (_backends.mkldnn.matmul, _backends.mkldnn.conv, _backends.cuda.matmul, _backends.cudnn.conv)


class _FullPrecision(ContextDecorator):
    """While a thread is inside, torch rounds no factor of a float32 product or convolution to TF32 or bfloat16.

    A program that loads a model may have allowed that (``torch.set_float32_matmul_precision``), as training libraries
    advise: the bits would be others, and the bounds by which a search rules rows out would not hold. The setting is
    the whole process's: the first thread to come in changes it, and the last to leave puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._before: list[str] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = [operation.fp32_precision for operation in OPERATIONS]
                for operation in OPERATIONS:
                    operation.fp32_precision = "ieee"
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for operation, precision in zip(OPERATIONS, self._before, strict=True):
                    operation.fp32_precision = precision


full_precision = _FullPrecision()
