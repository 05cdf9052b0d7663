"""Trains a learner on good images, from where an earlier training of the same kind was stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ...config import digest, plain
from ...errors import UserError
from ...training.checkpoint import Checkpoint
from ...training.gradients import Inputs, Manner
from ...training.loop import LOSS, Schedule, Trained, Trainee, train
from ..training import TrainingSet
from .learner import Learner, Seen
from .preparing import prepared
from .spec import LearnedSpec

_FORMAT = 1  # rises when the same settings give other weights


def what_is_seen(train_set: TrainingSet) -> Seen:
    """What a method sees of the images of a training set."""
    first = train_set.batch(0, 1)
    shapes = {name: (rows.shape[1], rows.shape[2], rows.shape[3]) for name, rows in first.items()}
    return Seen(shapes, {name: train_set.grids[name] for name in first}, train_set.network, train_set.view)


def fit_learner(
    make: Callable[[LearnedSpec, Seen], Learner], train_set: TrainingSet, spec: LearnedSpec
) -> tuple[Learner, Trained]:
    """A learner with the weights of its best epoch, in eval mode, and how its training went.

    Further draws of an image are held out together with it. A training that was stopped goes on after its last whole
    epoch, and ends with the same bits on the same kind of device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        learner = make(spec, what_is_seen(train_set))
    learned, held_out = split_off(train_set.undrawn, spec)
    several = range(0, len(train_set), train_set.undrawn)
    about = {"images": train_set.key, "inputs": spec.inputs, "spec": {"method": spec.method, **plain(spec)}}
    device = train_set.features.device
    surroundings = {"device": device.type, "torch": torch.__version__, "format": _FORMAT}
    checkpoint = Checkpoint(digest({**about, **surroundings}), train_set.kept / "training")
    trained = train(
        _Lesson(learner, train_set, spec),
        [first + image for first in several for image in learned],
        [first + image for first in several for image in held_out],
        Schedule(spec.epochs, spec.batch, spec.patience, spec.seed),
        checkpoint,
        train_set.told,
    )
    return learner, trained


def split_off(count: int, spec: LearnedSpec) -> tuple[list[int], list[int]]:
    """Which of so many images are learned from, and which are held out. UserError: there are too few."""
    if count < 2:
        raise UserError(
            f"{spec.method} must see at least 2 training images, one of which is held out, but got {count}."
        )
    order = np.random.default_rng(spec.seed).permutation(count)
    held_out = min(max(1, round(spec.held_out * count)), count - 1)
    return sorted(order[held_out:].tolist()), sorted(order[:held_out].tolist())


class _Lesson(Trainee):
    """A learner and the images that it learns from."""

    def __init__(self, learner: Learner, train_set: TrainingSet, spec: LearnedSpec) -> None:
        super().__init__(learner, train_set.features.device)
        self.learner, self.train_set, self.spec = learner, train_set, spec
        self.manner = Manner(learner.together, spec.mixed_precision)

    def inputs(self, items: Sequence[int], draws: np.random.Generator, *, learning: bool) -> Inputs:
        """The images' inputs, and what the learner draws for them."""
        images = [self.train_set.batch(item, item + 1) for item in items]
        rows: Mapping[str, Tensor] = {name: torch.cat([one[name] for one in images]) for name in images[0]}
        return {**prepared(self.spec, rows), **self.learner.drawn(len(items), draws)}

    def figures(self, outputs: Tensor) -> dict[str, Tensor]:
        """The mean of the images' losses."""
        return {LOSS: outputs.mean()}

    def optimiser(self) -> torch.optim.Optimizer:
        """The learner's own."""
        return self.learner.optimiser()
