"""Layer outputs of an image set, computed once and kept on disk for every later trial, study and process.

An entry is one layer of one image set through one trunk: a folder with ``features.npy`` (float32 (n, C, h, w)), made
under a temporary name and renamed when it is complete. A crash leaves at most a temporary folder, which is cleared
later; a lock per image set makes a second process wait for the first one's work instead of doing it again.
"""

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..cache import cache_folder
from ..config import ImageSpec, digest
from ..data.imageset import ImageSet
from ..data.loading import view
from ..errors import UserError
from ..progress import track
from .backbone import Backbone
from .grids import Grid

LIMIT_VARIABLE = "ADTRACK_CACHE_GB"
_DEFAULT_LIMIT = 20.0
_ABANDONED_AFTER = 24 * 3600.0  # seconds: no pass over an image set takes a day


@dataclass(frozen=True)
class FeatureSet:
    """Layer outputs of an image set: {layer: float32 (n, C, h, w)} on disk, read in pieces."""

    key: str
    layers: Mapping[str, np.ndarray]
    grids: Mapping[str, Grid]
    device: torch.device

    def __len__(self) -> int:
        return len(next(iter(self.layers.values())))

    def chunk(self, start: int, stop: int, layers: Sequence[str]) -> dict[str, Tensor]:
        """Outputs of the images from ``start`` up to ``stop`` on the feature set's device."""
        return {layer: torch.from_numpy(np.array(self.layers[layer][start:stop])).to(self.device) for layer in layers}


class FeatureStore:
    """Features on disk below ``folder``; the oldest give way when they exceed ADTRACK_CACHE_GB (20 by default)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder("features")

    def features(self, images: ImageSet, backbone: Backbone, spec: ImageSpec) -> FeatureSet:
        """Outputs of the backbone's layers for ``images``: read from disk, else computed in one pass."""
        source = {
            "images": images.digest,
            "view": spec.__dict__,
            "trunk": backbone.trunk.sha256,
            "torch": torch.__version__,
            "device": backbone.device.type,
        }
        keys = {layer: digest({**source, "layer": layer}) for layer in backbone.layers}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / f"{digest(source)[:32]}.lock"):
                missing = [layer for layer, key in keys.items() if not self._complete(key)]
                if missing:
                    self._compute(images, backbone, spec, {layer: keys[layer] for layer in missing})
        except OSError as error:
            raise UserError(
                f"the feature cache must be writable, but {self.folder} is not ({error.strerror or error}).",
                "point ADTRACK_CACHE to a folder with room, or empty this one: adtrack cache --clear.",
            ) from error
        layers = {layer: self._read(key) for layer, key in keys.items()}
        self._shrink(keep=set(keys.values()))
        return FeatureSet(digest(source), layers, backbone.grids, backbone.device)

    def _complete(self, key: str) -> bool:
        return (self.folder / key / "features.npy").is_file()

    def _read(self, key: str) -> np.ndarray:
        os.utime(self.folder / key)  # the least recently used entries give way first
        return np.load(self.folder / key / "features.npy", mmap_mode="r", allow_pickle=False)

    def _compute(self, images: ImageSet, backbone: Backbone, spec: ImageSpec, keys: Mapping[str, str]) -> None:
        with ExitStack() as cleanup:
            folders = {layer: self.folder / f"tmp-{uuid.uuid4().hex}" for layer in keys}
            for folder in folders.values():
                folder.mkdir()
                cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
            files: dict[str, np.memmap] = {}
            passed = backbone_pass(images, backbone, spec)
            for at, outputs in track(passed, f"Backbone over {images.name}", len(images)):
                for layer, folder in folders.items():
                    output = outputs[layer].cpu().numpy()
                    if layer not in files:
                        shape = (len(images), *output.shape[1:])
                        files[layer] = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, shape)
                    files[layer][at : at + len(output)] = output
            for layer, file in files.items():
                file.flush()
                shutil.rmtree(self.folder / keys[layer], ignore_errors=True)
                folders[layer].rename(self.folder / keys[layer])

    def _shrink(self, keep: set[str]) -> None:
        """Remove what crashes left behind and, beyond the limit, the entries that were used longest ago."""
        entries = []
        for folder in (path for path in self.folder.iterdir() if path.is_dir()):
            try:
                used, size = folder.stat().st_mtime, (folder / "features.npy").stat().st_size
            except FileNotFoundError:  # another process was faster
                used, size = time.time(), 0
            if folder.name.startswith("tmp-") and time.time() - used > _ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)
            elif folder.name not in keep and not folder.name.startswith("tmp-"):
                entries.append((used, size, folder))
        kept = sum((self.folder / key / "features.npy").stat().st_size for key in keep)
        excess = kept + sum(size for _, size, _ in entries) - cache_limit()
        for _, size, folder in sorted(entries):
            if excess <= 0:
                break
            shutil.rmtree(folder, ignore_errors=True)
            excess -= size


def cache_limit() -> float:
    """How many bytes of features may stay on disk."""
    text = os.environ.get(LIMIT_VARIABLE, "") or str(_DEFAULT_LIMIT)
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise UserError(f"{LIMIT_VARIABLE} must be a number of gigabytes, but is {text!r}.")
    return limit * 1e9


def backbone_pass(images: ImageSet, backbone: Backbone, spec: ImageSpec) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Position and outputs of one image after the other (32 at a time on a GPU), decoded while the network works."""
    size = 32 if backbone.device.type == "cuda" else 1
    starts = range(0, len(images), size)

    def load(at: int) -> Tensor:
        return torch.stack([view(images.image(index), spec) for index in range(at, min(at + size, len(images)))])

    with ThreadPoolExecutor(2) as pool:
        for at, views in zip(starts, _ahead(pool, load, starts), strict=True):
            yield at, backbone(views)


def _ahead(pool: ThreadPoolExecutor, load, positions: Iterable[int], depth: int = 4) -> Iterator[Tensor]:
    """Results of ``load`` in order, at most ``depth`` of them waiting in memory."""
    waiting = []
    for position in positions:
        waiting.append(pool.submit(load, position))
        if len(waiting) == depth:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()
