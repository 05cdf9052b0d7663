"""One step of training on a batch, whose bits do not depend on the number of threads.

On the CPU a batch is cut into pieces of a few rows. Each piece is computed by one thread, several of them side by side,
and their gradients are added up in their order. A loss may compare the rows of different pieces: it is computed from
the outputs of all of them. Where batch norm compares the rows within the module, a batch is one piece, which a fixed
number of threads computes, one thread if the batch is small.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..features.backbone import same_bits
from ..features.threads import THREADS, side_by_side

Inputs = Mapping[str, Tensor]  # what a module gets, with as many rows each
Figures = Callable[[Tensor], Mapping[str, Tensor]]
_ROWS = 4  # in a piece: fewer keep more threads busy, more are computed faster
_THREADS_TOGETHER = 2  # that compute a batch which must not be cut, on every machine, as their number changes the bits
_SMALL = 2**18  # numbers in such a batch: with fewer, two threads wait for each other longer than they compute


@dataclass(frozen=True)
class Manner:
    """How a step is computed.

    ``together`` is for modules with batch norm that learns: it is in train mode, and sees the whole batch. Otherwise
    batch norm stays in eval mode. ``mixed_precision`` computes with fewer bits where that costs no quality, on GPUs.
    """

    together: bool = False
    mixed_precision: bool = False


def learn(
    module: nn.Module, optimiser: torch.optim.Optimizer, inputs: Inputs, figures: Figures, manner: Manner
) -> dict[str, float]:
    """Move the module's parameters against the gradient of the ``loss`` among ``figures``, and return the figures."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    device = learning[0].device
    module.train(manner.together)
    pieces = [inputs] if manner.together else _pieces(inputs, device)
    threads = _threads(inputs) if manner.together else THREADS
    outputs = list(side_by_side(lambda piece: _forward(module, piece, device, manner, threads), pieces))
    joined = torch.cat([part.detach() for part in outputs]).requires_grad_()
    found = dict(figures(joined))
    (pull,) = torch.autograd.grad(found["loss"], joined)

    def back(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        with _same_bits(device, threads):
            # Some networks have parameters that no output depends on: their gradients are zeros.
            return torch.autograd.grad(pair[0], learning, pair[1], materialize_grads=True)

    pairs = list(zip(outputs, torch.split(pull, [len(part) for part in outputs]), strict=True))
    for index, gradients in enumerate(side_by_side(back, pairs)):
        for parameter, gradient in zip(learning, gradients, strict=True):
            parameter.grad = gradient if index == 0 or parameter.grad is None else parameter.grad.add_(gradient)
    optimiser.step()
    return {name: float(value.detach()) for name, value in found.items()}


def figures_of(module: nn.Module, inputs: Inputs, figures: Figures, manner: Manner) -> dict[str, float]:
    """The figures of a batch from which nothing is learnt."""
    device = next(module.parameters()).device
    module.eval()

    def look(piece: Inputs) -> Tensor:
        with torch.no_grad():  # which holds in one thread only
            return _forward(module, piece, device, manner, THREADS)

    outputs = torch.cat(list(side_by_side(look, _pieces(inputs, device))))
    return {name: float(value) for name, value in figures(outputs).items()}


def _pieces(inputs: Inputs, device: torch.device) -> list[Inputs]:
    if device.type != "cpu":
        return [inputs]
    split = {name: torch.split(rows, _ROWS) for name, rows in inputs.items()}
    return [dict(zip(split, parts, strict=True)) for parts in zip(*split.values(), strict=True)]


def _threads(inputs: Inputs) -> int:
    """How many threads compute a batch that must not be cut: its size alone decides."""
    return THREADS if sum(rows.numel() for rows in inputs.values()) < _SMALL else _THREADS_TOGETHER


def _forward(module: nn.Module, piece: Inputs, device: torch.device, manner: Manner, threads: int) -> Tensor:
    fewer_bits = manner.mixed_precision and device.type == "cuda"
    with _same_bits(device, threads), torch.autocast(device.type, torch.bfloat16, enabled=fewer_bits):
        outputs: Tensor = module({name: rows.to(device) for name, rows in piece.items()})
        return outputs


@contextlib.contextmanager
def _same_bits(device: torch.device, threads: int) -> Iterator[None]:
    with same_bits(device):
        if device.type == "cpu":
            torch.set_num_threads(threads)  # ``same_bits`` restores the number
        yield
