"""Fine-tuning a network's trunk on the views of good images."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..config import ImageSpec, digest
from ..errors import UserError
from ..features.networks import Network
from ..features.weights import Trunk
from ..threshold_spec import AUTO
from .checkpoint import Checkpoint
from .judgement import TaskVerdict
from .loop import Epoch, Schedule, Trained, train
from .pooled import trained_trunk
from .spec import FineTuneSpec
from .tasks import TASK_CLASSES

_FORMAT = 2  # rises when the same settings give other weights
_FEWEST = 8  # images: fewer leave nothing to hold out


@dataclass(frozen=True)
class FineTuned:
    """A trunk that has learnt, and how it went.

    ``held_out`` counts the images that were held out. ``checkpoint`` may be forgotten once the trunk is kept.
    """

    trunk: Trunk
    trained: Trained
    held_out: int
    verdict: TaskVerdict
    checkpoint: Checkpoint


def fine_tune(
    trunk: Trunk,
    views: np.ndarray,
    image: ImageSpec,
    spec: FineTuneSpec,
    device: torch.device,
    *,
    key: str,
    told: Callable[[Epoch], None] = lambda epoch: None,
) -> FineTuned:
    """Fine-tune a trunk on the views uint8 (n, S, S, 3) of good images, which ``key`` identifies.

    The seed chooses which images are held out. ``told`` is called after every epoch. A training that was stopped goes
    on after its last whole epoch, and ends with the same bits on the same kind of device.
    """
    kept, held_out = split_off(len(views), spec)
    trainee = TASK_CLASSES[spec.task](trunk, views, image, spec, device)
    about = {"views": key, "image": image, "trunk": trunk.sha256, "spec": spec}
    surroundings = {"device": device.type, "torch": torch.__version__, "format": _FORMAT}
    checkpoint = Checkpoint(digest({**about, **surroundings}))
    schedule = Schedule(spec.epochs, spec.batch, spec.patience, spec.seed)
    trained = train(trainee, kept, held_out, schedule, checkpoint, told)
    first, right = (epoch.held_out[trainee.judged] for epoch in (trained.epochs[0], trained.kept))
    origin = f"{trunk.origin}, fine-tuned by {spec.task}"
    return FineTuned(
        trained_trunk(trunk, trainee.module, origin),
        trained,
        len(held_out),
        trainee.verdict(first, right, len(held_out) * trainee.looks),
        checkpoint,
    )


def with_usual_layers(spec: FineTuneSpec, network: str) -> FineTuneSpec:
    """The same with the layers that suit the patches of a network, if the user named none."""
    return replace(spec, layers=Network(network).layers.patches.usual) if spec.layers == (AUTO,) else spec


def split_off(count: int, spec: FineTuneSpec) -> tuple[list[int], list[int]]:
    """Which of so many images are learnt from, and which are held out. UserError: there are too few."""
    if count < _FEWEST:
        raise UserError(f"fine-tuning needs at least {_FEWEST} good Train images, but there are {count}.")
    order = np.random.default_rng(spec.seed).permutation(count)
    held_out = max(2, round(spec.held_out * count))
    return sorted(order[held_out:].tolist()), sorted(order[:held_out].tolist())
