"""Keeps out torch's compiler, whose import takes longer than that of torch itself, and which nothing here uses.

torchvision imports it for one question that a layer of detection networks asks. Building a network on the meta device
would import it too, because the initial values are drawn by Python code there, although nobody reads them.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch

from ..passed_over import PassedOver

_COMPILER = "torch._dynamo.utils"
_DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)


class _ImportedLater(ModuleType):
    """Stands for the compiler's module until something in it is used, and hands out what is in the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # these are asked for by whoever looks a module over
            raise AttributeError(name)
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]
        return getattr(importlib.import_module(_COMPILER), name)


@contextlib.contextmanager
def without_compiler() -> Iterator[None]:
    """While torchvision is imported inside, it gets a stand-in for the compiler, which is imported once it is used."""
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = _ImportedLater(_COMPILER)

    def is_compile_supported(device: str) -> bool:
        return bool(stand_in.__getattr__("is_compile_supported")(device))

    vars(stand_in)["is_compile_supported"] = is_compile_supported
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]


def undrawn() -> PassedOver:
    """While it is on, tensors that should be filled with random numbers are left as they are."""
    return PassedOver(_DRAWS)
