"""Layer outputs of an image set, computed once and kept on disk for every later trial, study and process.

An entry holds one layer's outputs of one image set through one trunk. It is written under a temporary name and renamed
when it is complete, so that a crash leaves at most a temporary folder, which is cleared later. A lock for each image
set makes a second process wait for the first one instead of repeating its work. An entry that the disk has damaged is
found by its checksum and made again.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..cache import cache_folder
from ..config import VIEW, ImageSpec, digest
from ..data.imageset import ImageSet
from ..data.loading import view
from ..errors import UserError
from ..progress import say, track
from ..troubles import is_full
from .backbone import CPU_BATCH, GPU_BATCH, Backbone
from .entry import FILE, EntryWriter, is_as_written, open_entry
from .feature_set import FeatureSet, Outputs
from .threads import THREADS, side_by_side
from .views import Views

LIMIT_VARIABLE = "ADTRACK_CACHE_GB"
_DEFAULT_LIMIT = 20.0
_ABANDONED_AFTER = 24 * 3600.0  # seconds: no pass over an image set takes a day


class FeatureStore:
    """Features on disk below ``folder``; the oldest give way when they exceed ADTRACK_CACHE_GB (20 by default)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder("features")
        self._read_through: set[tuple[str, int, int, int]] = set()  # name, inode, bytes and time of whole entries

    def features(self, images: ImageSet, backbone: Backbone, spec: ImageSpec) -> FeatureSet:
        """The views of ``images`` and the outputs of the backbone's layers.

        The views are made whenever they are read. The outputs of the network are read from disk, else computed in one
        pass over all images.
        """
        spec = spec.normalised_for(backbone.normalisation)
        source = {
            "images": images.digest,
            "view": spec,
            "trunk": backbone.trunk.sha256,
            "torch": torch.__version__,
            "device": backbone.device.type,
            "threads": THREADS if backbone.device.type == "cpu" else None,
        }
        keys = {layer: digest({**source, "layer": layer}) for layer in backbone.layers if layer != VIEW}
        computed = self._computed(images, backbone, spec, keys, f"{digest(source)[:32]}.lock") if keys else {}
        layers: dict[str, Outputs] = {VIEW: Views(images, spec), **computed}
        return FeatureSet(digest(source), layers, backbone.grids, backbone.device, spec.size)

    def _computed(
        self, images: ImageSet, backbone: Backbone, spec: ImageSpec, keys: Mapping[str, str], lock: str
    ) -> dict[str, np.ndarray]:
        """The outputs of the layers of ``keys``, of which those that the disk does not hold are computed."""
        limit, keep = cache_limit(), set(keys.values())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / lock):
                read = {layer: self._read(key) for layer, key in keys.items()}
                known = {layer: array for layer, array in read.items() if array is not None}
                missing = {layer: key for layer, key in keys.items() if layer not in known}
                try:
                    made = self._compute(images, backbone, spec, missing) if missing else {}
                except OSError as error:
                    if not is_full(error) or not self._shrink(0, keep):
                        raise
                    made = self._compute(images, backbone, spec, missing)
            self._shrink(limit, keep)
        except OSError as error:
            raise UserError(
                f"the feature cache must be writable, but {self.folder} is not ({error.strerror or error}).",
                "point ADTRACK_CACHE to a folder with room, or empty this one: adtrack cache --clear.",
            ) from error
        return {layer: (known | made)[layer] for layer in keys}

    def _read(self, key: str) -> np.ndarray | None:
        """The entry, or None if there is no whole one. Once open it stays readable, even if another process removes
        it."""
        folder = self.folder / key
        try:
            os.utime(folder)  # the least recently used entries give way first
            if not self._is_whole(folder):
                return None
            return open_entry(folder)
        except FileNotFoundError:
            return None

    def _is_whole(self, folder: Path) -> bool:
        """Whether an entry may be used. An entry that this process has checked is not checked again while its file is
        the same."""
        state = (folder / FILE).stat()
        known = (folder.name, state.st_ino, state.st_size, state.st_mtime_ns)
        if known in self._read_through:
            return True
        whole = is_as_written(folder, folder.name)
        if whole:
            self._read_through.add(known)
        elif whole is False:
            say(f"The feature cache held {folder.name[:12]}… damaged; it is made again.")
        return bool(whole)

    def _compute(
        self, images: ImageSet, backbone: Backbone, spec: ImageSpec, keys: Mapping[str, str]
    ) -> dict[str, np.ndarray]:
        with ExitStack() as cleanup:
            writers = {}
            for layer, key in keys.items():
                folder = self.folder / f"tmp-{uuid.uuid4().hex}"
                cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
                writers[layer] = cleanup.enter_context(contextlib.closing(EntryWriter(folder, key, len(images))))
            passed = backbone_pass(images, backbone, spec)
            for _, outputs in track(passed, f"Backbone over {images.name}", len(images)):
                for layer, writer in writers.items():
                    writer.add(outputs[layer].cpu().numpy())
            return {layer: self._finish(writer, keys[layer]) for layer, writer in writers.items()}

    def _finish(self, writer: EntryWriter, key: str) -> np.ndarray:
        """Give a complete entry its name."""
        writer.finish()
        array = open_entry(writer.folder)
        shutil.rmtree(self.folder / key, ignore_errors=True)
        writer.folder.rename(self.folder / key)
        return array

    def _shrink(self, limit: float, keep: set[str]) -> bool:
        """Remove what crashes left behind and, beyond ``limit`` bytes, the least recently used entries.

        Returns whether any entry has been removed.
        """
        entries, removed = [], False
        for folder in (path for path in self.folder.iterdir() if path.is_dir()):
            try:
                used, size = folder.stat().st_mtime, sum(file.stat().st_size for file in folder.iterdir())
            except FileNotFoundError:  # another process was faster
                continue
            if not folder.name.startswith("tmp-"):
                entries.append((used, size, folder))
            elif time.time() - used > _ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)
        excess = sum(size for _, size, _ in entries) - limit
        for _, size, folder in sorted(entries):
            if excess > 0 and folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)
                excess -= size
                removed = True
        return removed


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
    """The position of the first image and the outputs of each batch, in order.

    On the CPU a batch is one image, and as many are computed at once as there are threads. On a GPU the next batches
    are decoded while it computes.
    """
    size = GPU_BATCH if backbone.device.type == "cuda" else CPU_BATCH
    starts = range(0, len(images), size)

    def load(at: int) -> Tensor:
        return torch.stack([view(images.image(index), spec) for index in range(at, min(at + size, len(images)))])

    if backbone.device.type == "cuda":
        yield from zip(starts, map(backbone, side_by_side(load, starts, workers=2)), strict=True)
    else:
        yield from zip(starts, side_by_side(lambda at: backbone(load(at)), starts), strict=True)
