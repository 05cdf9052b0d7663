"""A split in a domain: the images that a detector is fitted to or scored on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import config
from ..errors import UserError
from .classes import ImageRecord
from .domains import CLEAN, DRAW, OTHERS, SHIFT, SHIFTS, has_severity, seed_in, seen_image, seen_mask, stated
from .loading import decode
from .masks import decode_mask
from .reading import STORED, Reading
from .splits import Splits

VAL_SETS, TEST_SETS = ("val_clean", "val_shift"), ("test_clean", "test_shift")  # detectors are chosen by Val alone
_NAME = re.compile(rf"(train|val|test)_(?:({OTHERS})|({SHIFTS})(?:@([0-9]+(?:\.[0-9]+)?))?)")


@dataclass(frozen=True)
class ImageSet:
    """The images of ``split`` in a domain, in path order: as they are ("clean"), through MVTec-Shift ("shift") at
    ``severity``, or through another of ``domains``.

    ``reading`` says how their files are read: as stored, where nothing depends on it.
    """

    split: str
    domain: str
    root: Path
    records: tuple[ImageRecord, ...]
    shift_seed: int
    contents: Mapping[str, str] = field(repr=False)
    severity: float = 1.0
    reading: Reading = STORED

    @property
    def name(self) -> str:
        """``val_clean``, ``test_shift``, ``test_shift@0.5``, …: what ``parse_name`` reads."""
        return f"{self.split}_{self.domain}{'' if self._as_drawn else at_severity(self.severity)}"

    @property
    def _as_drawn(self) -> bool:
        return self.severity == 1 or not has_severity(self.domain)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,): 0 normal, 1 anomalous."""
        return np.array([record.label for record in self.records], dtype=np.int64)

    @property
    def kinds(self) -> list[str]:
        """ "good" or the defect type of every image."""
        return [record.kind for record in self.records]

    @property
    def digest(self) -> str:
        """SHA-256 over the contents of the images, how they are read and, if they are not clean, the domain, its seed
        and severity."""
        images = [[record.path, self.contents[record.path]] for record in self.records]
        seed = None if self.domain == CLEAN else self.shift_seed
        source = {"images": images, "shift_seed": seed, **stated(self.domain), **self.reading.stated}
        return config.digest(source if self._as_drawn else {**source, "severity": self.severity})

    def image(self, index: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return self.seen(index, self.decoded(index))

    def decoded(self, index: int) -> np.ndarray:
        """The file of an image, uint8 (H, W, 3): the same in all domains."""
        record = self.records[index]
        return decode(self.root / record.path, record.path, self.reading)

    def seen(self, index: int, image: np.ndarray) -> np.ndarray:
        """What the domain makes of an image's decoded file: uint8 (H, W, 3)."""
        return seen_image(image, self.domain, self.records[index].path, self.shift_seed, self.severity)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image; a shift keeps them."""
        height, width, _ = self.decoded(index).shape
        return height, width

    def mask(self, index: int) -> np.ndarray | None:
        """bool (H, W), all False for a normal image; None for an anomalous image without a mask."""
        record = self.records[index]
        if record.mask is None:
            return None if record.label else np.zeros(self.size(index), dtype=bool)
        mask = decode_mask(self.root / record.mask, record.mask, self.reading)
        return seen_mask(mask, self.domain, record.path, self.shift_seed, self.severity)


def parse_name(name: str) -> tuple[str, str, float]:
    """Split, domain and severity of an image set called ``test_clean``, ``test_shift@0.5``, ``test_jpeg`` or
    ``train_draw1``.

    UserError: it is called otherwise, or the severity is not in [0, 2].
    """
    found = _NAME.fullmatch(name)
    if not found:
        raise UserError(
            f"an image set must be called train, val or test with _clean or _shift, or train_draw1, but got {name!r}.",
            "a severity follows the shift: test_shift@0.5.",
        )
    split, plain, shifted, written = found.groups()
    severity = float(written or 1)
    config.check_severity(severity)
    return split, plain or shifted, severity


def image_set(splits: Splits, root: Path, split: str, domain: str, severity: float = 1.0) -> ImageSet:
    """The images of ``split`` ("train", "val", "test") in ``domain``; the shifted domain is seeded like the splits."""
    records, seed = getattr(splits, split).records, seed_in(domain, splits.seed)
    return ImageSet(split, domain, root, records, seed, splits.contents, float(severity), splits.reading)


def at_severity(severity: float) -> str:
    """What follows the name of an image set whose shifts have another severity than the protocol's: ``@0.5``."""
    return f"@{np.format_float_positional(severity, trim='-')}"


def draw_names(draws: int, severity: float, family: str = SHIFT) -> tuple[str, ...]:
    """The names of so many further draws of Train from one of ``FAMILIES`` at a severity: ``train_draw1``,
    ``train_draw2@0.5``, ``train_draw1_without_blur``, …"""
    end = family.removeprefix(SHIFT) + ("" if severity == 1 else at_severity(severity))
    return tuple(f"train_{DRAW}{draw}{end}" for draw in range(1, draws + 1))
