"""The training loop: epochs, early stopping, and going on after a kill, with the same bits each time.

It knows nothing of what is learnt, and tells what happens to whoever asked for it. What an epoch draws at random
depends on the seed and the epoch alone. So a training that was killed and goes on ends with the bits of one that was
never interrupted.
"""

import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..features.backbone import same_bits
from ..progress import Progress, bar
from .checkpoint import Checkpoint, Kept, learnt
from .gradients import Inputs, Manner, figures_of, learn

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
    """The mean figures of an epoch, by their names, on the images that are learnt from and on those held out, and the
    seconds that it took."""

    number: int
    train: Mapping[str, float]
    held_out: Mapping[str, float]
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Trained:
    """All epochs, and the number of the best one, whose weights the module has now.

    ``restored`` says how many of the epochs were read from a checkpoint.
    """

    epochs: tuple[Epoch, ...]
    best: int
    restored: int = field(default=0, compare=False)

    @property
    def saved_seconds(self) -> float:
        """The seconds that the checkpoint has saved."""
        return sum(epoch.seconds for epoch in self.epochs[: self.restored])

    @property
    def kept(self) -> Epoch:
        """The best epoch."""
        return best_of(self.epochs)


class Trainee(ABC):
    """What is trained: a module whose parameters learn where they require a gradient.

    ``looks`` is how often an epoch looks at every held-out item: several times tell more where what is shown of an item
    is drawn at random. ``manner`` says how a step is computed.
    """

    looks: ClassVar[int] = 1
    manner = Manner()

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module, self.device = module.to(device), device

    @abstractmethod
    def inputs(self, items: Sequence[int], draws: np.random.Generator, *, learning: bool) -> Inputs:
        """What the module gets of these items: the same number of rows for each item, in their order."""

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
    restored = len(history)
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
            started = time.perf_counter()
            with same_bits(trainee.device):
                epoch = _epoch(trainee, optimiser, number, items, held_out, schedule, progress)
            epoch = replace(epoch, seconds=time.perf_counter() - started)
            history.append(epoch)
            if _best(history) == number:
                best = learnt(trainee.module)
            if checkpoint:
                checkpoint.keep(trainee.module, optimiser, best, _kept(history))
            told(epoch)
    trainee.module.load_state_dict(best, strict=False)
    trainee.module.eval()
    if checkpoint and len(history) > restored:
        checkpoint.finish(best, _kept(history))
    return Trained(tuple(history), _best(history), restored)


def _kept(history: Sequence[Epoch]) -> list[Kept]:
    return [(one.number, one.train, one.held_out, one.seconds) for one in history]


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The epoch with the smallest loss on the held-out images, the first one of several."""
    return min(history, key=lambda epoch: epoch.held_out[LOSS])


def _best(history: Sequence[Epoch]) -> int:
    return best_of(history).number


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
        shown = trainee.inputs(batch, draws, learning=True)
        return learn(trainee.module, optimiser, shown, trainee.figures, trainee.manner)

    def look(batch: Sequence[int], draws: np.random.Generator) -> dict[str, float]:
        shown = trainee.inputs(batch, draws, learning=False)
        return figures_of(trainee.module, shown, trainee.figures, trainee.manner)

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
            "a smaller batch, a smaller resize, and fewer layers that learn need less.",
        ) from error
