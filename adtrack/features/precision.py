"""Keeps float32 arithmetic in float32, whatever torch has been told."""

import threading
from contextlib import ContextDecorator
from operator import attrgetter
from typing import Protocol

import torch


class _Operation(Protocol):
    """A kind of operation of torch that says how the factors of its products are rounded."""

    fp32_precision: str


# torch makes some of these attributes while it is imported, so that type checkers do not see them.
OPERATIONS: tuple[_Operation, ...] = attrgetter("mkldnn.matmul", "mkldnn.conv", "cuda.matmul", "cudnn.conv")(
    torch.backends
)


class _FullPrecision(ContextDecorator):
    """While a thread is inside, torch rounds no factor of a float32 product or convolution to TF32 or bfloat16.

    A program that loads a model may have allowed that (``torch.set_float32_matmul_precision``), as training libraries
    advise. Then the bits would be others, and the bounds by which a search excludes rows would not hold. The setting
    belongs to the whole process: the first thread that enters changes it, and the last that leaves restores it.
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
