"""What a training keeps in the cache after every epoch, so that a kill costs one epoch at most."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn

from ..cache import cache_folder
from ..config import from_json
from ..features.tensor_file import read_tensors, write_tensors

ROOM = "training"
_MOST_BYTES = 4e9  # that checkpoints may take: those of a study of large networks still fit
_NOW, _BEST, _OPTIMISER, _HISTORY = "now/", "best/", "optimiser/", "history"

Figures = Mapping[str, float]
Kept = tuple[int, Figures, Figures, float]  # an epoch: its number, its figures and its seconds


def learnt(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all that learning changes in a module: its state without the parameters that are frozen."""
    state = module.state_dict(keep_vars=True)
    changing = {name: one for name, one in state.items() if one.requires_grad or not isinstance(one, nn.Parameter)}
    return {name: tensor.detach().cpu().clone() for name, tensor in changing.items()}


class Checkpoint:
    """The file that holds the state of the training with this key, a digest of all that the training depends on.

    It lies in ``folder``, by default in the cache. ``best`` holds the weights of the best epoch once they have been
    restored.
    """

    def __init__(self, key: str, folder: Path | None = None) -> None:
        self.file = (folder or cache_folder(ROOM)) / f"{key}.safetensors"
        self.best: dict[str, Tensor] = {}

    def keep(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        best: Mapping[str, Tensor],
        history: Sequence[Kept],
    ) -> None:
        """Write the state after an epoch. ``history`` are all epochs so far."""
        moments = {
            f"{_OPTIMISER}{index}/{name}": value.detach().cpu()
            for index, values in optimiser.state_dict()["state"].items()
            for name, value in values.items()
        }
        now = {_NOW + name: tensor for name, tensor in learnt(module).items()}
        self._write({**now, **moments}, best, history)

    def finish(self, best: Mapping[str, Tensor], history: Sequence[Kept]) -> None:
        """Write what is left to know of a training that has ended: whoever asks for it again gets its best epoch."""
        self._write({}, best, history)
        self._make_room()

    def _write(self, state: Mapping[str, Tensor], best: Mapping[str, Tensor], history: Sequence[Kept]) -> None:
        text = json.dumps(
            [[number, dict(train), dict(held_out), seconds] for number, train, held_out, seconds in history]
        )
        held = {
            **state,
            **{_BEST + name: tensor for name, tensor in best.items()},
            _HISTORY: torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8),
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.file}.lock"):  # another process may run the same training
            write_tensors(
                self.file,
                {name: tensor.contiguous() for name, tensor in held.items()},
                "The cache is full: if this training is stopped, it will begin anew.",
            )

    def restore(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> list[Kept]:
        """Give module and optimiser the state that was kept, and return the epochs so far; none if no state was kept,
        or if its file is damaged."""
        held = read_tensors(self.file, f"{self.file.name} in the cache is damaged: this training begins anew.")
        if held is None:
            return []
        history = from_json(bytes(held[_HISTORY].numpy()).decode())
        self.best = _part(held, _BEST)
        module.load_state_dict(_part(held, _NOW), strict=False)
        state: dict[int, dict[str, Any]] = {}
        for name, tensor in _part(held, _OPTIMISER).items():
            index, _, key = name.partition("/")
            state.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        return [tuple(epoch) for epoch in history]

    def _make_room(self) -> None:
        """Remove the oldest trainings while all of them together are too large; this one stays."""
        sizes = _sizes(self.file.parent)
        total = sum(sizes.values())
        for file, size in sizes.items():
            if total > _MOST_BYTES and file != self.file:
                with contextlib.suppress(OSError):  # what was learned counts more than room in the cache
                    file.unlink(missing_ok=True)
                total -= size

    def forget(self) -> None:
        """Remove the file: the training is finished, and its result is kept elsewhere."""
        with contextlib.suppress(OSError):
            self.file.unlink(missing_ok=True)


def _sizes(folder: Path) -> dict[Path, int]:
    """The checkpoints of a folder and their bytes, the oldest first."""
    found = {}
    for file in folder.glob("*.safetensors"):
        with contextlib.suppress(OSError):  # another process has removed it
            state = file.stat()
            found[file] = (state.st_mtime, state.st_size)
    return {file: found[file][1] for file in sorted(found, key=lambda file: found[file])}


def _part(held: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in held.items() if name.startswith(prefix)}
