"""A class of a data set whose files have all been opened and checked: its splits, and what each image set holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from adtrack.config import DataSpec
from adtrack.data.checked import CheckedImages
from adtrack.data.checking import Watcher, check_images
from adtrack.data.classes import ImageClass, Places
from adtrack.data.demo import data_root
from adtrack.data.imageset import ImageSet, image_set, parse_name
from adtrack.data.layouts import read_class
from adtrack.data.reading import Reading
from adtrack.data.remarks import all_remarks
from adtrack.data.splits import Splits, listed_splits, make_splits
from adtrack.evaluation.bounded_memory import BoundedMemory

_MASK_ROOM = 2**27  # bytes that masks may take, eight pixels to a byte: a thousand masks of a megapixel


@dataclass(frozen=True)
class _Packed:
    """A mask, bool ``shape``, in an eighth of its bytes."""

    bits: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, mask: np.ndarray) -> "_Packed":
        height, width = mask.shape
        return cls(np.packbits(mask), (height, width))

    @property
    def bytes(self) -> int:
        return self.bits.nbytes

    def mask(self) -> np.ndarray:
        return np.unpackbits(self.bits, count=self.shape[0] * self.shape[1]).reshape(self.shape).view(bool)


@dataclass(frozen=True)
class _Masks(Sequence[np.ndarray]):
    """Masks that are made when they are read: those of many large photos would fill the memory."""

    mask: Callable[[int], np.ndarray]
    places: range

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        return replace(self, places=self.places[index]) if isinstance(index, slice) else self.mask(self.places[index])


def _mask_memory() -> BoundedMemory[tuple[str, int], _Packed]:
    return BoundedMemory(_MASK_ROOM, lambda packed: packed.bytes)


@dataclass(frozen=True, eq=False)
class OpenedClass:
    """A class, its images in splits, and what opening all of its files has shown (``checked``).

    ``remarks`` are sentences on what a reader of its numbers should know.
    """

    data: DataSpec
    root: Path
    places: Places
    splits: Splits
    checked: CheckedImages
    remarks: tuple[str, ...]
    _masks: BoundedMemory[tuple[str, int], _Packed] = field(default_factory=_mask_memory, repr=False)

    @cached_property
    def digest(self) -> str:
        """The splits' digest: numbers can be compared only if it is the same."""
        return self.splits.digest

    @property
    def fewer_images(self) -> dict[str, str]:
        """How many images Train was asked to have, and the number of their choice, as text by name.

        It is empty if Train has all of its images. The usual choice has no number.
        """
        count, draw = self.splits.train_images, self.data.train_draw
        told = {"train_images": count, "train_draw": draw or None} if count is not None else {}
        return {name: str(value) for name, value in told.items() if value is not None}

    def images(self, name: str) -> ImageSet:
        """The images called ``train_clean``, ``val_shift``, ``test_shift@0.5``, …"""
        return image_set(self.splits, self.root, *parse_name(name))

    def present(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the named sets that hold images: Test may hold none where only good images are known."""
        return tuple(name for name in names if len(self.images(name)))

    def sizes(self, name: str) -> list[tuple[int, int]]:
        """Height and width of every image of a set; no file is opened for them."""
        return [self.checked.sizes[record.path] for record in self.images(name).records]

    def mask(self, name: str, index: int) -> np.ndarray | None:
        """The mask of an image, bool (H, W), all False for a normal one; None if no mask of the class marks a pixel."""
        return self._mask(self.images(name), index) if self.splits.has_masks else None

    def masks(self, name: str) -> Sequence[np.ndarray] | None:
        """The masks of all images of a set, each as ``mask`` gives it when it is read."""
        images = self.images(name)
        return _Masks(partial(self._mask, images), range(len(images))) if self.splits.has_masks else None

    def _mask(self, images: ImageSet, index: int) -> np.ndarray:
        record = images.records[index]
        if record.mask is None:
            return np.zeros(self.checked.sizes[record.path], dtype=bool)
        return self._masks.get((images.name, index), lambda: _Packed.of(np.asarray(images.mask(index)))).mask()


@dataclass(frozen=True, eq=False)
class ListedClass:
    """A class of which nothing is known but the paths of its images and masks, wherever they lie.

    ``reading`` says how images are read for a model that is to be measured; without it the images themselves say so.
    """

    data: DataSpec
    found: ImageClass
    reading: Reading | None = None

    def __post_init__(self) -> None:
        if self.reading is None and self.data.bit_depth is not None:
            object.__setattr__(self, "reading", Reading(self.data.bit_depth))

    @cached_property
    def splits(self) -> Splits:
        """The splits that ``data`` asks for. Their digests mean nothing yet."""
        data = self.data
        return listed_splits(self.found, data.seed, self.reading or Reading(), data.train_images, data.train_draw)

    def images(self, name: str) -> ImageSet:
        """The images called ``train_clean``, ``val_shift``, ``test_shift@0.5``, …"""
        return image_set(self.splits, self.found.root, *parse_name(name))

    def mask(self, name: str, index: int) -> np.ndarray | None:
        """The mask of an image, bool (H, W)."""
        return self.images(name).mask(index)

    def open(self, watcher: Watcher[Any] | None = None) -> OpenedClass:
        """Open every file. A ``watcher`` is shown the images that are decoded; see ``check_images``."""
        images, data = self.found, self.data
        checked = check_images(images.root, images.records, self.reading, watcher)
        splits = make_splits(images, data.seed, checked, data.train_images, data.train_draw)
        parts = {split.name.title(): split.records for split in splits.all}
        remarks = tuple(all_remarks(images, checked, parts))
        return OpenedClass(data, images.root, images.places, splits, checked, remarks)


def list_class(data: DataSpec, reading: Reading | None = None) -> ListedClass:
    """The class that ``data`` names. UserError: there is none."""
    return ListedClass(data, read_class(data_root(data.root, data.class_name), data.class_name), reading)


def open_class(data: DataSpec, reading: Reading | None = None) -> OpenedClass:
    """Open every file of the class that ``data`` names; ``reading`` is that of a ``ListedClass``."""
    return list_class(data, reading).open()
