"""Train, Val and Test of a class, and their manifest, which has a digest.

They are a function of the images' paths and a seed, unless the data set itself says which images are which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from .. import config
from ..errors import UserError
from .checked import MASK_RULE, CheckedImages
from .classes import ImageClass, ImageRecord
from .reading import Reading
from .sampling import fewer, sample

TRAIN_FRACTION = 0.8  # of train/good; the rest goes to Val
VAL_DEFECT_FRACTION = 0.3  # of each test/<defect>; the rest goes to Test


@dataclass(frozen=True)
class Split:
    """The images of one split ("train", "val" or "test"), sorted by path."""

    name: str
    records: tuple[ImageRecord, ...]

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,): 0 normal, 1 anomalous."""
        return np.array([record.label for record in self.records], dtype=np.int64)


@dataclass(frozen=True)
class Splits:
    """The three splits of a class; ``contents`` maps the path of every image and mask to its file's SHA-256.

    ``reading`` says how the files are read, as far as that changes a pixel. ``reread`` are the masks of which the first
    rule had marked other pixels. ``unmarked`` says in words why there are no pixel metrics, and is empty if there are
    some. ``given``: the splits came with the data set; else they were drawn by the seed. ``train_total`` is how many
    images Train would have if it were not asked to have fewer.
    """

    class_name: str
    seed: int
    train: Split
    val: Split
    test: Split
    contents: Mapping[str, str] = field(repr=False)
    reading: Reading
    reread: frozenset[str]
    unmarked: str
    given: bool = False
    train_total: int = 0

    @property
    def train_images(self) -> int | None:
        """How many images Train was asked to have, None if it has all."""
        count = len(self.train.records)
        return count if count < self.train_total else None

    @property
    def has_masks(self) -> bool:
        """Whether a mask marks a pixel."""
        return not self.unmarked

    @property
    def has_anomalies(self) -> bool:
        """Whether Val and Test hold anomalous images: if one does, both do."""
        return bool(self.val.labels.any())

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest: only numbers of the same digest can be compared."""
        return config.digest(self.manifest())

    def manifest(self) -> dict[str, Any]:
        """Plain data: class, seed, how the splits came about and, in each, every image with label, kind and digests.

        Paths are relative to the data root, so the manifest does not depend on where the data lie. How files are read
        is in it only where it is not how they were read at first, and the number of Train images only where Train was
        asked to have fewer: other digests stay what they were.
        """
        fractions = {"train": TRAIN_FRACTION, "val_defects": VAL_DEFECT_FRACTION}
        asked = {} if self.train_images is None else {"train_images": self.train_images}
        return {
            "class": self.class_name,
            "seed": self.seed,
            **({"given": True} if self.given else {"fractions": fractions}),
            **asked,
            **self.reading.stated,
            "splits": {split.name: [self._row(record) for record in split.records] for split in self.all},
        }

    @property
    def all(self) -> tuple[Split, Split, Split]:
        """Train, Val and Test."""
        return self.train, self.val, self.test

    def _row(self, record: ImageRecord) -> dict[str, Any]:
        return {
            "path": record.path,
            "label": record.label,
            "kind": record.kind,
            "sha256": self.contents[record.path],
            "mask": record.mask,
            "mask_sha256": self.contents[record.mask] if record.mask is not None else None,
            **({"mask_rule": MASK_RULE} if record.mask in self.reread else {}),
        }


def _split(name: str, records: Sequence[ImageRecord]) -> Split:
    return Split(name, tuple(sorted(records, key=lambda record: record.path)))


def make_splits(
    images: ImageClass, seed: int, checked: CheckedImages, train_images: int | None = None, train_draw: int = 0
) -> Splits:
    """Train / Val / Test of a class; ``checked`` (``checking.check_images``) must cover its images and masks.

    Val and Test are the same whatever ``train_images`` is: how many of its images Train has, None for all of them.
    ``train_draw`` numbers the choices of so many.

    A class without any labelled anomaly is split too: Val and Test then hold normal images only, and Test may be empty.
    UserError: Train lacks images, Val lacks normal images or, if any are labelled, anomalous ones, or Test lacks normal
    ones although anomalous images are labelled, or Train has fewer images than it shall have.
    """
    listed = listed_splits(images, seed, checked.applied, train_images, train_draw)
    return replace(
        listed,
        contents={path: checked.contents[path] for path in listed.contents},
        reread=frozenset(path for path, mask in checked.masks.items() if not mask.as_first),
        unmarked=_unmarked(images, checked),
    )


def listed_splits(
    images: ImageClass, seed: int, reading: Reading, train_images: int | None = None, train_draw: int = 0
) -> Splits:
    """The splits of a class whose files are not opened yet: they hold the right images, of which nothing is known.

    So their digests mean nothing. UserError: as of ``make_splits``.
    """
    train, val, test = _drawn(images, seed) if images.val is None else _given(images, images.val)
    paths = [path for record in images.records for path in (record.path, record.mask) if path is not None]
    return Splits(
        images.name,
        seed,
        _split("train", fewer(train, train_images, train_draw, seed)),
        _split("val", val),
        _split("test", test),
        dict.fromkeys(sorted(paths), ""),
        reading,
        frozenset(),
        "" if images.has_masks else "its files are not opened yet",
        images.val is not None,
        len(train),
    )


Parts = tuple[Sequence[ImageRecord], Sequence[ImageRecord], Sequence[ImageRecord]]


def _drawn(images: ImageClass, seed: int) -> Parts:
    """Train, Val and Test by the protocol's fractions."""
    train, val = sample(images.train, TRAIN_FRACTION, seed)
    if not train or not val:
        raise UserError(
            f"Train and Val must each get a normal image, but {images.places.train} holds {len(images.train)}.",
            "Put at least 3 normal images there.",
        )
    test = [record for record in images.test if not record.label]
    if not test and images.has_anomalies:
        raise UserError(
            f"Test must have a normal image, but {images.places.good} holds none.",
            f"Put normal images there that are not in {images.places.train}.",
        )
    by_kind = sorted((record for record in images.test if record.label), key=lambda record: (record.kind, record.path))
    for _, records in groupby(by_kind, key=lambda record: record.kind):
        for_val, for_test = sample(list(records), VAL_DEFECT_FRACTION, seed)
        val, test = val + for_val, test + for_test
    if images.has_anomalies and not any(record.label for record in val):
        raise UserError(
            f"Val must have an anomalous image, but no defect of {images.name} has 2 images to take one from.",
            f"Put more labelled defects under {images.places.defects}, or take them all away: then the threshold "
            "comes from good images alone.",
        )
    return train, val, test


def _given(images: ImageClass, val: Sequence[ImageRecord]) -> Parts:
    """Train, Val and Test as the data set has them."""
    both = (0, 1) if images.has_anomalies else (0,)
    needed = {"Train": (images.train, (0,)), "Val": (val, both), "Test": (images.test, both if both[1:] else ())}
    for part, (records, labels) in needed.items():
        missing = [label for label in labels if not any(record.label == label for record in records)]
        if missing:
            raise UserError(
                f"{part} must have {'an anomalous' if missing[0] else 'a normal'} image, but the split that comes with "
                f"class {images.name} gives it none.",
                "give it some, or take the split away: then it is drawn.",
            )
    return images.train, val, images.test


def _unmarked(images: ImageClass, checked: CheckedImages) -> str:
    if not images.has_masks:
        return f"class {images.name} has no masks" + (f" ({images.places.masks})" if images.places.masks else "")
    if any(mask.marked for mask in checked.masks.values()):
        return ""
    return f"none of the {len(checked.masks)} masks of class {images.name} marks a pixel"
