"""Anomaly maps with their masks, read and checked one by one, so that those of large photos need not be in memory."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from adtrack.errors import UserError
from adtrack.features.passes import LARGE
from adtrack.features.threads import side_by_side


class Planes(Protocol):
    """Maps or masks, H×W each: an N×H×W array, a list, or what makes a plane when it is read."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


class MaskedMaps:
    """Maps and masks, read and checked one by one; ``defects`` counts the defect pixels of each mask."""

    def __init__(self, maps: Planes, masks: Planes) -> None:
        if len(maps) != len(masks):
            raise UserError(f"each anomaly map needs its mask, but got {len(maps)} maps and {len(masks)} masks.")
        self._maps, self._masks = maps, masks
        read = (np.asarray(masks[index]) for index in range(len(masks)))
        counts = [(mask.size, int(np.count_nonzero(mask))) for mask in read]
        self.defects = [count for _, count in counts]
        self._normal = [size - count for size, count in counts]
        self._largest = max((size for size, _ in counts), default=0)

    def __len__(self) -> int:
        return len(self.defects)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        scores, mask = np.asarray(self._maps[index]), np.asarray(self._masks[index]).astype(bool, copy=False)
        if scores.ndim != 2 or scores.shape != mask.shape:
            raise UserError(
                f"map and mask of image {index} must be H×W of one size, but got {scores.shape} and {mask.shape}."
            )
        if not np.isfinite(scores).all():
            wrong = np.count_nonzero(~np.isfinite(scores))
            raise UserError(
                f"anomaly maps must be finite, but map {index} holds NaN or infinity at {wrong} pixels.",
                "Cut map and mask to the part of the image that was scored.",
            )
        return scores, mask

    def read(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """These images with their maps and masks, one after the other.

        Those of the next image are made meanwhile, but not where they are so large that several would fill the memory.
        """

        def one(index: int) -> tuple[int, np.ndarray, np.ndarray]:
            return index, *self[index]

        return map(one, indices) if self._largest > LARGE else side_by_side(one, indices, 1)

    def normal_in(self, piece: range) -> int:
        """The number of normal pixels in a piece."""
        return sum(self._normal[piece.start : piece.stop])

    def pieces(self, at_once: int) -> Iterator[range]:
        """Images one after the other, each piece with at most so many normal pixels, or with one image; at least one
        piece."""
        start, held = 0, 0
        for index, normal in enumerate(self._normal):
            if index > start and held + normal > at_once:
                yield range(start, index)
                start, held = index, 0
            held += normal
        yield range(start, len(self))
