"""What is known of image sets' distances to the banks of an order, on disk, for other processes and later trials."""

from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from ..cache import cache_folder
from ..features.tensor_file import read_tensors, write_tensors
from .exact.bounds import Bounds

ROOM = "distances"  # of the cache


def read_bounds(key: str, device: torch.device) -> tuple[Bounds, dict[int, str]] | None:
    """The bounds that were kept by this name, and digests of the first rows of their bank, by the number of rows."""
    damaged = f"The cache held the distances {key[:12]}… damaged; they are found again."
    held = read_tensors(_file(key), damaged)
    if held is None:
        return None
    bounds = Bounds(*(held[name].to(device) for name in ("distance", "row", "seen")))
    bounds.row, bounds.seen = bounds.row.long(), bounds.seen.long()
    told = (bytes(digest).hex() for digest in held["digests"].numpy())
    return bounds, dict(zip(held["counts"].tolist(), told, strict=True))


def keep_bounds(key: str, bounds: Bounds, digests: dict[int, str]) -> None:
    """Write bounds and digests to the cache. If it is full they are not kept."""
    file = _file(key)
    held: dict[str, Tensor] = {
        "distance": bounds.distance,
        "row": bounds.row.int(),
        "seen": bounds.seen.int(),
        "counts": torch.tensor(list(digests)),
        "digests": torch.tensor([list(bytes.fromhex(told)) for told in digests.values()], dtype=torch.uint8),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        full = f"The cache is full: the distances {key[:12]}… are not kept for later banks."
        write_tensors(file, {name: part.cpu().contiguous() for name, part in held.items()}, full)


def _file(key: str) -> Path:
    return cache_folder(ROOM, f"{key}.safetensors")
