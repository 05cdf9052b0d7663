"""A split in a domain: the images that a bank is built from or scored on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import config
from .classes import ImageRecord
from .loading import decode, decode_mask
from .shift import draw_shift, shift_image, shift_mask
from .splits import Splits

CLEAN, SHIFT = "clean", "shift"


@dataclass(frozen=True)
class ImageSet:
    """The images of ``split`` as they are ("clean") or through MVTec-Shift ("shift"), in path order."""

    split: str
    domain: str
    root: Path
    records: tuple[ImageRecord, ...]
    shift_seed: int
    contents: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """``val_clean``, ``test_shift``, …"""
        return f"{self.split}_{self.domain}"

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
        """SHA-256 over the images' content and, in the shifted domain, what their shift depends on."""
        images = [[record.path, self.contents[record.path]] for record in self.records]
        return config.digest({"images": images, "shift_seed": self.shift_seed if self.domain == SHIFT else None})

    def image(self, index: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        record = self.records[index]
        image = decode(self.root / record.path, record.path)
        return shift_image(image, draw_shift(record.path, self.shift_seed)) if self.domain == SHIFT else image

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image; a shift keeps them."""
        record = self.records[index]
        return decode(self.root / record.path, record.path).shape[:2]

    def mask(self, index: int) -> np.ndarray | None:
        """bool (H, W), all False for a normal image; None for an anomalous image without a mask."""
        record = self.records[index]
        if record.mask is None:
            return None if record.label else np.zeros(self.size(index), dtype=bool)
        mask = decode_mask(self.root / record.mask, record.mask)
        return shift_mask(mask, draw_shift(record.path, self.shift_seed)) if self.domain == SHIFT else mask


def image_set(splits: Splits, root: Path, split: str, domain: str) -> ImageSet:
    """The images of ``split`` ("train", "val", "test") in ``domain``; shifts are seeded like the splits."""
    return ImageSet(split, domain, root, getattr(splits, split).records, splits.seed, splits.contents)
