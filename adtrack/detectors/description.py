"""``detector.json``: what a saved detector says of itself beside its tensors."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ..config import DetectorSpec, canonical, from_json
from ..errors import UserError
from ..features.grids import Grid

FILE = "detector.json"
Spec = TypeVar("Spec", bound=DetectorSpec)


def save_description(folder: Path, spec: DetectorSpec, grids: Mapping[str, Grid], **more: object) -> None:
    """Write specification, grids and ``more`` into ``folder``, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    text = {"spec": asdict(spec), "grids": {layer: asdict(grid) for layer, grid in grids.items()}, **more}
    (folder / FILE).write_text(canonical(text), encoding="utf-8")


def load_description(folder: Path, kind: type[Spec]) -> tuple[Spec, dict[str, Grid], dict[str, Any]]:
    """The specification, the grids of its layers and all fields that ``save_description`` wrote. UserError if they are
    damaged."""
    try:
        fields = from_json((folder / FILE).read_text(encoding="utf-8"))
        spec = kind(**fields["spec"])
        grids = {layer: Grid(float(grid["offset"]), float(grid["stride"])) for layer, grid in fields["grids"].items()}
        return spec, {layer: grids[layer] for layer in spec.layers}, fields
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"a detector must have a readable {FILE}, but {folder} has none ({error}).") from error
