"""Products of images that are decoded for another purpose: they are made then, instead of in a pass of their own."""

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from ..data.classes import ImageRecord
from .entry import EntryWriter
from .entry_folder import EntryFolder
from .passes import Product, made_of


class Ahead:
    """Watches a check of a class's files and makes ``products`` of the pixels that it is shown, in the order of paths.

    What depends on contents, as keys do, is known when all files are checked: the products have keys of their own until
    ``keep`` says the right ones. Only whole entries are kept. A product of which an image was not shown, because its
    file had been checked before or has 16 bits a channel, is left to a pass, and so is everything if the disk refuses.
    """

    def __init__(self, entries: EntryFolder, products: Sequence[Product]) -> None:
        self._entries, self._products = entries, products
        self._of: dict[str, tuple[int, list[Product]]] = {}
        for product in products:
            for index, record in enumerate(product.images.records):
                self._of.setdefault(record.path, (index, []))[1].append(product)
        self._writers: dict[str, EntryWriter] = {}
        self._left: set[str] = set()  # the keys of products that are left to a pass
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._cleanup.close()

    def look(self, record: ImageRecord, pixels: np.ndarray) -> Mapping[str, np.ndarray]:
        """What is made of an image, uint8 (H, W, 3), by keys; several threads may look at once."""
        index, products = self._of.get(record.path, (0, []))
        return made_of([product for product in products if product.key not in self._left], index, pixels)

    def take(self, record: ImageRecord, made: Mapping[str, np.ndarray] | None) -> None:
        """Write what was made of the next image; None if it was not shown."""
        _, products = self._of.get(record.path, (0, []))
        try:
            for product in products:
                if made is None or product.key not in made:
                    self._left.add(product.key)
                elif product.key not in self._left:
                    self._writer(product).add(made[product.key][None])
        except OSError:
            self._left |= {product.key for product in self._products}
            self._cleanup.close()

    def _writer(self, product: Product) -> EntryWriter:
        if product.key not in self._writers:
            self._entries.folder.mkdir(parents=True, exist_ok=True)
            writer = self._entries.writer(product.key, len(product.images))
            self._writers[product.key] = self._cleanup.enter_context(writer)
        return self._writers[product.key]

    def keep(self, keys: Sequence[str]) -> None:
        """Give the products, in their order, the keys that they are found by from now on."""
        with contextlib.suppress(OSError):  # a pass will say what is wrong with the disk
            for product, key in zip(self._products, keys, strict=True):
                if product.key in self._writers and product.key not in self._left:
                    writer = self._writers[product.key]
                    writer.key = key
                    self._entries.finish(writer)
