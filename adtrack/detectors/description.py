"""Writes and reads ``detector.json``, which holds the specification and the grids of a saved detector."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..config import VIEW, canonical, from_json, plain
from ..errors import UserError
from ..features.grids import Grid
from .contract import Spec

FILE = "detector.json"


@dataclass(frozen=True)
class Description(Generic[Spec]):
    """The specification of a detector, the grids of its inputs, and all fields of the file."""

    spec: Spec
    grids: dict[str, Grid]
    fields: Mapping[str, Any]


def save_description(folder: Path, spec: Spec, grids: Mapping[str, Grid], **more: object) -> None:
    """Write the specification, the grids and the fields ``more`` into ``folder``, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    text = {"spec": plain(spec), "grids": {layer: asdict(grid) for layer, grid in grids.items()}, **more}
    (folder / FILE).write_text(canonical(text), encoding="utf-8")


def load_description(folder: Path, kind: type[Spec]) -> Description[Spec]:
    """Read the file that ``save_description`` wrote. UserError if it is damaged."""
    try:
        fields = from_json((folder / FILE).read_text(encoding="utf-8"))
        spec = kind(**fields["spec"])
        grids = {layer: Grid(float(grid["offset"]), float(grid["stride"])) for layer, grid in fields["grids"].items()}
        return Description(spec, {name: grids[name] for name in spec.inputs if name in grids or name != VIEW}, fields)
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"a detector must have a readable {FILE}, but {folder} has none ({error}).") from error


def load_tensors(file: Path, device: torch.device) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Damaged bytes may raise any error.

    The tensors are copied: at the file's addresses in memory, products could have other bits.
    """
    return {name: tensor.clone().to(device) for name, tensor in load_file(file).items()}
