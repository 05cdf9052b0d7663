"""One step of training on a batch, whose bits do not depend on the number of threads.

On the CPU a batch is cut into pieces of a few rows. Each piece is computed by one thread, several of them side by side,
and their gradients are added up in their order. A loss may compare the rows of different pieces: it is computed from
the outputs of all of them.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..features.backbone import same_bits
from ..features.threads import side_by_side

Figures = Callable[[Tensor], Mapping[str, Tensor]]
_ROWS = 8  # in a piece: fewer keep more threads busy, more are computed faster


def learn(module: nn.Module, optimiser: torch.optim.Optimizer, inputs: Tensor, figures: Figures) -> dict[str, float]:
    """Move the module's parameters against the gradient of the ``loss`` among ``figures``, and return the figures."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    device = learning[0].device
    outputs = list(side_by_side(lambda piece: _forward(module, piece, device), _pieces(inputs, device)))
    joined = torch.cat([part.detach() for part in outputs]).requires_grad_()
    found = dict(figures(joined))
    (pull,) = torch.autograd.grad(found["loss"], joined)

    def back(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        with same_bits(device):
            return torch.autograd.grad(pair[0], learning, pair[1])

    pairs = list(zip(outputs, torch.split(pull, [len(part) for part in outputs]), strict=True))
    for index, gradients in enumerate(side_by_side(back, pairs)):
        for parameter, gradient in zip(learning, gradients, strict=True):
            parameter.grad = gradient if index == 0 or parameter.grad is None else parameter.grad.add_(gradient)
    optimiser.step()
    return {name: float(value.detach()) for name, value in found.items()}


def figures_of(module: nn.Module, inputs: Tensor, figures: Figures) -> dict[str, float]:
    """The figures of a batch from which nothing is learnt."""
    device = next(module.parameters()).device

    def look(piece: Tensor) -> Tensor:
        with torch.no_grad():  # which holds in one thread only
            return _forward(module, piece, device)

    outputs = torch.cat(list(side_by_side(look, _pieces(inputs, device))))
    return {name: float(value) for name, value in figures(outputs).items()}


def _pieces(inputs: Tensor, device: torch.device) -> tuple[Tensor, ...]:
    return torch.split(inputs, _ROWS) if device.type == "cpu" else (inputs,)


def _forward(module: nn.Module, piece: Tensor, device: torch.device) -> Tensor:
    with same_bits(device):
        outputs: Tensor = module(piece.to(device, memory_format=torch.channels_last))
        return outputs
