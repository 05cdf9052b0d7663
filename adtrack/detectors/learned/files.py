"""Writes and reads a learner: its weights, and what it must know to be made anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ...errors import UserError
from ...features.networks.lean import undrawn
from ...settings import whole
from ..contract import Spec
from ..description import load_description, load_tensors, save_description
from .learner import Learner, Seen

if TYPE_CHECKING:
    from ...features.grids import Grid

FILE = "learned.safetensors"
_LARGEST = 2**20  # channels, rows or columns of an input: whatever is larger is damage


def save_learner(folder: Path, spec: Any, learner: Learner, seen: Seen) -> None:
    """Write ``learned.safetensors`` and ``detector.json`` into ``folder``, which is made if it is missing."""
    shapes = {name: list(shape) for name, shape in seen.shapes.items()}
    save_description(folder, spec, seen.grids, shapes=shapes, network=seen.network, view=seen.view)
    save_file({name: tensor.cpu().contiguous() for name, tensor in learner.state_dict().items()}, folder / FILE)


def load_learner(
    folder: Path, kind: type[Spec], make: Callable[[Spec, Seen], Learner], device: torch.device
) -> tuple[Spec, Learner, Seen]:
    """Read what ``save_learner`` wrote. UserError if it is damaged."""
    described = load_description(folder, kind)
    try:
        seen = _seen(described.spec.inputs, described.grids, described.fields)
        tensors = load_tensors(folder / FILE, device)
        learner = _filled(make, described.spec, seen, tensors)
    except Exception as error:  # parsing damaged bytes may raise any error
        raise UserError(
            f"a model of {described.spec.method} must hold the module that it has trained, but {folder} does not "
            f"({error})."
        ) from error
    return described.spec, learner, seen


def _seen(inputs: tuple[str, ...], grids: Mapping[str, Grid], fields: Mapping[str, Any]) -> Seen:
    shapes = {}
    for name in inputs:
        channels, height, width = fields["shapes"][name]
        for what, value in (("channels", channels), ("rows", height), ("columns", width)):
            whole(f"{what} of {name}", value, 1, most=_LARGEST)
        shapes[name] = (channels, height, width)
    view, network = fields["view"], fields["network"]
    whole("view", view, 1, most=_LARGEST)
    if not isinstance(network, str):
        raise ValueError(f"its network has the name {network!r}")
    return Seen(shapes, {name: grids[name] for name in inputs}, network, view)


def _filled(make: Callable[[Spec, Seen], Learner], spec: Spec, seen: Seen, tensors: Mapping[str, Tensor]) -> Learner:
    """A learner with these weights. It is made without values first, so that a damaged description costs no memory."""
    with torch.device("meta"):
        learner = make(spec, seen)
    for name, expected in learner.state_dict().items():
        found = tensors[name]
        if (found.shape, found.dtype) != (expected.shape, expected.dtype):
            raise ValueError(f"{name} is {found.dtype} {tuple(found.shape)} and not {tuple(expected.shape)}")
        if found.is_floating_point() and not bool(found.isfinite().all()):
            raise ValueError(f"{name} holds numbers that are NaN or infinite")
    learner.load_state_dict(dict(tensors), assign=True)
    if any(tensor.is_meta for tensor in (*learner.parameters(), *learner.buffers())):
        # It also holds tensors that are no part of its state, but are computed when it is made.
        with undrawn():
            learner = make(spec, seen).to(next(iter(tensors.values())).device)
        learner.load_state_dict(dict(tensors), assign=True)
    return learner.eval()
