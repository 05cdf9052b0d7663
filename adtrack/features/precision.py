"""float32 arithmetic in float32, whatever torch has been told."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_backends = torch.backends
_OPERATIONS = (_backends.mkldnn.matmul, _backends.mkldnn.conv, _backends.cuda.matmul, _backends.cudnn.conv)


@contextmanager
def full_precision() -> Iterator[None]:
    """Let torch round no factor of a float32 product or convolution to TF32 or bfloat16.

    A program that loads a model may have allowed that (``torch.set_float32_matmul_precision``), as training libraries
    advise: the bits would be others, and the bounds by which a search rules rows out would not hold.
    """
    before = [operation.fp32_precision for operation in _OPERATIONS]
    for operation in _OPERATIONS:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        for operation, precision in zip(_OPERATIONS, before, strict=True):
            operation.fp32_precision = precision
