"""What is made of the images of a set, made once and kept on disk for every later trial, study and process.

An entry holds one layer's outputs of one image set through one trunk, or another product of the decoded images. A lock
for each image set makes a second process wait for the first one instead of repeating its work. An entry that the disk
has damaged is found by its checksum and made again.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from ..cache import cache_folder
from ..config import VIEW, ImageSpec, digest
from ..data.imageset import ImageSet
from ..data.loading import normalised, squeezed
from ..errors import UserError
from ..progress import track
from ..troubles import is_full
from .ahead import Ahead
from .backbone import Backbone
from .entry_folder import EntryFolder
from .feature_set import FeatureSet, Outputs, WhenRead, read_slice
from .passes import Product, Sight, network_pass, product_pass
from .threads import THREADS
from .views import Views, view_pixels

LIMIT_VARIABLE = "ADTRACK_CACHE_GB"
_DEFAULT_LIMIT = 20.0


class FeatureStore:
    """Features on disk below ``folder``; the oldest give way when they exceed ADTRACK_CACHE_GB (20 by default)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder("features")
        self._entries = EntryFolder(self.folder)

    def features(
        self, images: ImageSet, backbone: Backbone, spec: ImageSpec, beside: Sequence[Product] = ()
    ) -> FeatureSet:
        """The views of ``images`` and the outputs of the backbone's layers.

        Both are read from disk, else made in a pass over all images: the views, if somebody reads them, when the first
        of them is read. Where images are decoded, the products ``beside`` are made, too, if they are missing.
        """
        spec = backbone.view(spec)
        source, keys = _named(images, backbone, spec)
        seen = view_pixels(images, spec)

        def views() -> np.ndarray:
            return self.product(seen, f"Views of {images.name}", beside)

        def outputs(missing: Collection[str]) -> Iterator[dict[str, np.ndarray]]:
            are_kept = VIEW in backbone.layers or beside or self._entries.read(seen.key) is not None
            pixels = _one_by_one(views()) if are_kept else (lambda index: squeezed(images.image(index), spec))
            passed = network_pass(images, pixels, Sight(backbone, spec))
            return ({key: made[keys[key]].cpu().numpy() for key in missing} for made in passed)

        layers: dict[str, Outputs] = {VIEW: Views(len(images), spec, views)}
        if keys:
            work = _Work(f"Backbone over {images.name}", len(images), outputs)
            held = self._held(work, list(keys), f"{digest(source)[:32]}.lock")
            layers |= {layer: held[key] for key, layer in keys.items()}
        return FeatureSet(digest(source), layers, backbone.grids, backbone.device, spec.size)

    def kept(self, images: ImageSet, backbone: Backbone, spec: ImageSpec) -> FeatureSet | None:
        """The outputs of the network's layers if all of them are on disk."""
        spec = backbone.view(spec)
        source, keys = _named(images, backbone, spec)
        held = {layer: self._entries.read(key) for key, layer in keys.items()}
        layers: dict[str, Outputs] = {layer: array for layer, array in held.items() if array is not None}
        whole = bool(layers) and len(layers) == len(backbone.layers)
        return FeatureSet(digest(source), layers, backbone.grids, backbone.device, spec.size) if whole else None

    def product(self, product: Product, what: str, beside: Sequence[Product] = ()) -> np.ndarray:
        """A product of all images of its set, uint8 (n, …): read from disk, else made in a pass called ``what`` in
        messages.

        Where there is a pass, the products ``beside`` of the same files are made in it, too, if they are missing.
        """
        known = {each.key: each for each in (product, *beside)}

        def made(missing: Collection[str]) -> Iterator[dict[str, np.ndarray]]:
            passed = product_pass([known[key] for key in missing])
            return ({key: pixels[None] for key, pixels in one.items()} for one in passed)

        work = _Work(what, len(product.images), made)
        others = [each.key for each in beside]
        return self._held(work, [product.key], f"{product.key[:32]}.lock", others)[product.key]

    def ahead(self, products: Sequence[Product]) -> Ahead:
        """Makes products while images are decoded for another purpose, to be found by ``features`` and ``product``."""
        return Ahead(self._entries, products)

    def _held(self, work: "_Work", keys: Sequence[str], lock: str, beside: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """The entries of ``keys``, of which those that the disk does not hold are made, together with those ``beside``
        that it does not hold either."""
        limit, keep = cache_limit(), {*keys, *beside}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / lock):
                read = {key: self._entries.read(key) for key in keys}
                held = {key: array for key, array in read.items() if array is not None}
                missing = [key for key in keys if key not in held]
                if missing:
                    missing += [key for key in beside if self._entries.read(key) is None]
                    held |= self._made(work, missing, keep)
            self._entries.shrink(limit, keep)
        except OSError as error:
            raise UserError(
                f"the feature cache must be writable, but {self.folder} is not ({error.strerror or error}).",
                "point ADTRACK_CACHE to a folder with room, or empty this one: adtrack cache --clear.",
            ) from error
        return held

    def _made(self, work: "_Work", keys: Sequence[str], keep: set[str]) -> dict[str, np.ndarray]:
        """New entries. Where the disk is full, older ones give way."""
        try:
            return self._make(work, keys)
        except OSError as error:
            if not is_full(error) or not self._entries.shrink(0, keep):
                raise
            return self._make(work, keys)

    def _make(self, work: "_Work", keys: Sequence[str]) -> dict[str, np.ndarray]:
        with ExitStack() as cleanup:
            writers = {key: cleanup.enter_context(self._entries.writer(key, work.images)) for key in keys}
            for made in track(work.make(keys), work.what, work.images):
                for key, writer in writers.items():
                    writer.add(made[key])
            return {key: self._entries.finish(writer) for key, writer in writers.items()}


def features_when_read(images: ImageSet, backbone: Backbone, spec: ImageSpec) -> FeatureSet:
    """What ``FeatureStore.features`` gives, but made whenever it is read, and kept nowhere: for a few images."""
    spec = backbone.view(spec)

    @lru_cache(maxsize=1)
    def outputs(index: int) -> dict[str, np.ndarray]:
        view = torch.from_numpy(normalised(squeezed(images.image(index), spec), spec))
        return {layer: made.cpu().numpy() for layer, made in backbone(view[None]).items()}

    layers: dict[str, Outputs] = {layer: WhenRead(len(images), layer, outputs) for layer in backbone.layers}
    return FeatureSet(digest(_named(images, backbone, spec)[0]), layers, backbone.grids, backbone.device, spec.size)


def _named(images: ImageSet, backbone: Backbone, spec: ImageSpec) -> tuple[dict[str, object], dict[str, str]]:
    """What features depend on, and the layers of the network by the keys of their entries."""
    source: dict[str, object] = {
        "images": images.digest,
        "view": spec,
        "trunk": backbone.key,
        "torch": torch.__version__,
        "device": backbone.device.type,
        "threads": THREADS if backbone.device.type == "cpu" else None,
    }
    return source, {digest({**source, "layer": layer}): layer for layer in backbone.layers if layer != VIEW}


@dataclass(frozen=True)
class _Work:
    """A pass over so many ``images``, called ``what`` in messages. ``make`` gives what is made of the next of them for
    each of the keys that it gets."""

    what: str
    images: int
    make: Callable[[Collection[str]], Iterator[dict[str, np.ndarray]]]


def _one_by_one(array: np.ndarray) -> Callable[[int], np.ndarray]:
    """Copies of an array's planes."""
    return lambda index: read_slice(array, index, index + 1)[0]


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
