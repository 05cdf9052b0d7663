"""torch's compiler stays out of memory, and comes when it is needed."""

import subprocess
import sys

import torch
from torch import nn

from adtrack.features.networks import Network
from adtrack.features.networks.lean import undrawn

BUILT = """
import sys
from adtrack.features.networks import Network
assert Network("resnet18").grids(["layer2"])["layer2"].stride == 8
loaded = {"torch._dynamo", "sympy", "torch._dynamo.utils"} & set(sys.modules)
assert not loaded, loaded
"""
NEEDED = """
import torch
from adtrack.features.networks import torchvision
from torchvision.ops import roi_align
from torch._dynamo.utils import is_compile_supported, counters
box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
assert roi_align(torch.ones(1, 3, 8, 8), box, 2).shape == (1, 3, 2, 2)
assert roi_align.__globals__["is_compile_supported"]("cpu") == is_compile_supported("cpu")
"""
OTHER = """
import sys
from adtrack.features.networks.lean import without_compiler
with without_compiler():
    from torch._dynamo.utils import counters
    from torch._dynamo import utils
assert utils is sys.modules["torch._dynamo.utils"] and utils.counters is counters and utils.__file__
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_network_is_built_and_measured_without_the_compiler() -> None:
    run(BUILT)


def test_what_needs_the_compiler_gets_it() -> None:
    run(NEEDED)


def test_anything_else_of_its_module_is_the_real_one() -> None:
    run(OTHER)


def test_only_draws_are_left_out() -> None:
    with undrawn():
        layer = nn.Linear(2, 3)
        kept = torch.zeros(4).normal_()
        assert torch.add(torch.ones(2), 1).tolist() == [2, 2]
    assert layer.weight.shape == (3, 2) and not kept.any()
    assert torch.zeros(4).normal_().any()


def test_shapes_are_those_of_the_network_itself() -> None:
    shapes = Network("resnet18").shapes(["layer2"])
    values = Network("resnet18").build().state_dict()
    assert shapes and all(values[name].shape == shape for name, shape in shapes.items())
