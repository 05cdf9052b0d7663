"""The training loop: epochs, early stopping, and going on after a kill, with the same bits each time.

It knows nothing of what is learnt, and tells what happens to whoever asked for it. What an epoch draws at random
depends on the seed and the epoch alone. So a training that was killed and goes on ends with the bits of one that was
never interrupted.
"""

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..features.backbone import same_bits
from ..progress import Progress, bar
from .checkpoint import Checkpoint, learnt
from .gradients import figures_of, learn

LOSS = "loss"


@dataclass(frozen=True)
class Schedule:
    """How long training goes on: at most ``epochs``, and at most ``patience`` in a row in which nothing got better."""

    epochs: int
    batch: int
    patience: int
    seed: int


@dataclass(frozen=True)
class Epoch:
    """The mean figures of an epoch, by their names, on the images that are learnt from and on those held out."""

    number: int
    train: Mapping[str, float]
    held_out: Mapping[str, float]


@dataclass(frozen=True)
class Trained:
    """All epochs, and the number of the best one, whose weights the module has now."""

    epochs: tuple[Epoch, ...]
    best: int

    @property
    def kept(self) -> Epoch:
        """The best epoch."""
        return self.epochs[self.best - 1]


class Trainee(ABC):
    """What is trained: a module whose parameters learn where they require a gradient.

    Its rows must not depend on each other: batch norm must be in eval mode. ``looks`` is how often an epoch looks at
    every held-out item: several times tell more where what is shown of an item is drawn at random.
    """

    looks: ClassVar[int] = 1

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module, self.device = module.to(device), device

    @abstractmethod
    def inputs(self, items: Sequence[int], draws: np.random.Generator, *, learning: bool) -> Tensor:
        """What the module gets of these items, on the CPU: the same number of rows for each item, in their order."""

    @abstractmethod
    def figures(self, outputs: Tensor) -> dict[str, Tensor]:
        """The ``loss`` of a batch's outputs, and whatever else tells how it went: means over the items."""

    @abstractmethod
    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser of the parameters that learn."""


def train(
    trainee: Trainee,
    items: Sequence[int],
    held_out: Sequence[int],
    schedule: Schedule,
    checkpoint: Checkpoint | None = None,
    told: Callable[[Epoch], None] = lambda epoch: None,
) -> Trained:
    """Train until the loss on ``held_out`` no longer falls, then give the module the weights of the best epoch.

    ``told`` is called after every epoch; if training goes on from a ``checkpoint``, also for those before it.
    UserError: a loss is no longer finite, or the memory is too small.
    """
    optimiser = trainee.optimiser()
    history = [Epoch(*one) for one in checkpoint.restore(trainee.module, optimiser)] if checkpoint else []
    for epoch in history:
        told(epoch)
    best = checkpoint.best if checkpoint and history else {}
    steps, looks = (math.ceil(len(some) / schedule.batch) for some in (items, held_out))
    steps += trainee.looks * looks
    left = range(len(history) + 1, schedule.epochs + 1)
    with bar(steps * len(left), "Training", unit="step") as progress, _enough_memory(schedule.batch):
        for number in left:
            if history and number - 1 - _best(history) >= schedule.patience:
                break
            with same_bits(trainee.device):
                epoch = _epoch(trainee, optimiser, number, items, held_out, schedule, progress)
            history.append(epoch)
            if _best(history) == number:
                best = learnt(trainee.module)
            if checkpoint:
                checkpoint.keep(
                    trainee.module, optimiser, best, [(one.number, one.train, one.held_out) for one in history]
                )
            told(epoch)
    trainee.module.load_state_dict(best, strict=False)
    return Trained(tuple(history), _best(history))


def _best(history: Sequence[Epoch]) -> int:
    """The number of the epoch with the smallest loss on the held-out images, the first one of several."""
    return min(history, key=lambda epoch: epoch.held_out[LOSS]).number


def _epoch(
    trainee: Trainee,
    optimiser: torch.optim.Optimizer,
    number: int,
    items: Sequence[int],
    held_out: Sequence[int],
    schedule: Schedule,
    progress: Progress,
) -> Epoch:
    order = np.random.default_rng([schedule.seed, number]).permutation(np.asarray(items)).tolist()

    def step(batch: Sequence[int], draws: np.random.Generator) -> dict[str, float]:
        return learn(trainee.module, optimiser, trainee.inputs(batch, draws, learning=True), trainee.figures)

    def look(batch: Sequence[int], draws: np.random.Generator) -> dict[str, float]:
        return figures_of(trainee.module, trainee.inputs(batch, draws, learning=False), trainee.figures)

    learning = _mean([order], schedule, number, step, progress)
    # What is shown of the held-out images is drawn alike in all epochs, so that their losses can be compared.
    found = Epoch(number, learning, _mean([held_out] * trainee.looks, schedule, 0, look, progress))
    for name, figures in (("training", found.train), ("held-out", found.held_out)):
        if not math.isfinite(figures[LOSS]):
            raise UserError(
                f"training must keep its loss finite, but that of the {name} images is {figures[LOSS]} in epoch "
                f"{number}.",
                "a smaller lr lets it settle.",
            )
    return found


def _mean(
    rounds: Sequence[Sequence[int]],
    schedule: Schedule,
    epoch: int,
    work: Callable[[Sequence[int], np.random.Generator], dict[str, float]],
    progress: Progress,
) -> dict[str, float]:
    """The mean figures of all batches of the items in all rounds; a larger batch counts more."""
    sums: dict[str, float] = {}
    for turn, items in enumerate(rounds):
        for at in range(0, len(items), schedule.batch):
            batch = items[at : at + schedule.batch]
            for name, value in work(batch, np.random.default_rng([schedule.seed, epoch, turn, at])).items():
                sums[name] = sums.get(name, 0.0) + value * len(batch)
            progress.update()
    return {name: total / sum(map(len, rounds)) for name, total in sums.items()}


@contextlib.contextmanager
def _enough_memory(batch: int) -> Iterator[None]:
    """Turn the errors of a full memory into a sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError on the CPU, and a kind of it on a GPU
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise UserError(
            f"training must fit into memory, but steps of {batch} images do not.",
            "a smaller batch, a smaller resize or fewer free layers need less.",
        ) from error
