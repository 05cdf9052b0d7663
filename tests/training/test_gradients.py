"""How many threads compute a step: a number that depends on the batch alone, since it changes the bits."""

import pytest
import torch
from torch import Tensor, nn

from adtrack.training.gradients import Inputs, Manner, learn


class Watched(nn.Module):
    """A batch norm that remembers by how many threads it was computed."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.threads = nn.BatchNorm1d(1), 0

    def forward(self, inputs: Inputs) -> Tensor:
        self.threads = torch.get_num_threads()
        outputs: Tensor = self.norm(inputs["numbers"])
        return outputs


@pytest.mark.parametrize("asked", [1, 3])
@pytest.mark.parametrize(("rows", "together", "expected"), [(10, True, 1), (2**18, True, 2), (10, False, 1)])
def test_the_size_of_a_batch_tells_how_many_threads_compute_it(
    rows: int, together: bool, expected: int, asked: int
) -> None:
    module, before = Watched(), torch.get_num_threads()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    torch.set_num_threads(asked)
    try:
        numbers = {"numbers": torch.ones(rows, 1)}
        learn(module, optimiser, numbers, lambda outputs: {"loss": outputs.sum()}, Manner(together))
        assert module.threads == expected and torch.get_num_threads() == asked
    finally:
        torch.set_num_threads(before)
