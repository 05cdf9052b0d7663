"""The pixels of anomaly maps in the order of their scores: pixel AUROC, per-region overlap, and its curve.

Scores are used in the maps' own precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from adtrack.errors import UserError

Planes = np.ndarray | Sequence[np.ndarray]
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class PixelRanking:
    """All that the curves depend on: one entry for each distinct score of a defect pixel, highest first."""

    above: np.ndarray  # int64: normal pixels with a higher score
    reached: np.ndarray  # int64: normal pixels with this score or a higher one
    defects: np.ndarray  # int64: defect pixels with exactly this score
    pro: np.ndarray  # float64: per-region overlap at this score as threshold
    normal_total: int

    @property
    def empty(self) -> bool:
        return not (self.normal_total and len(self.defects))

    def auroc(self) -> float:
        """Share of (defect, normal) pixel pairs in the right order, ties one half; counted in whole numbers."""
        if self.empty:
            return float("nan")
        twice_below = 2 * self.normal_total - self.above - self.reached
        pairs = int(self.defects.sum()) * self.normal_total
        return int(twice_below @ self.defects) / (2 * pairs)

    def aupro(self, limit: float) -> float:
        """Area under the curve up to false-positive rate ``limit``, divided by ``limit``; NaN where it is empty."""
        if self.empty:
            return float("nan")
        fpr, pro = self._edges()
        inside = int(np.searchsorted(fpr, limit, side="right"))
        cut = np.interp(limit, fpr[inside - 1 : inside + 1], pro[inside - 1 : inside + 1])
        return float(np.trapezoid(np.append(pro[:inside], cut), np.append(fpr[:inside], limit)) / limit)

    def pro_curve(self, limit: float, points: int) -> tuple[np.ndarray, np.ndarray]:
        """False-positive rates from 0 to ``limit`` and the per-region overlap there, float64 (points,): to be drawn."""
        at = np.linspace(0.0, limit, points)
        return at, np.full(points, np.nan) if self.empty else np.interp(at, *self._edges())

    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The whole curve, from (0, 0) to (1, 1)."""
        # Each distinct defect score is an edge of the curve: level up to it, then up (slanting if normal pixels tie).
        counts = np.column_stack((self.above, self.reached)).ravel()
        edges = np.column_stack((np.append(0.0, self.pro[:-1]), self.pro)).ravel()
        return np.concatenate(([0.0], counts / self.normal_total, [1.0])), np.concatenate(([0.0], edges, [1.0]))


def rank_pixels(maps: Planes, masks: Planes) -> PixelRanking:
    """Place the defect pixels among the sorted normal ones.

    ``maps`` and ``masks`` (non-zero = defect) are N×H×W arrays or lists of H×W of different sizes. Raises
    UserError where shapes differ or a map holds NaN or infinity.

    Between two defect scores both curves run level, so the many normal pixels need no indices: their values
    are sorted in one copy, and only the few defect pixels are ordered together with their weights.
    """
    normal, scores, weights, regions = _pixels(maps, masks)
    normal.sort()
    # Equal scores ordered by weight make the sum below, to the last bit, free of the order of images and ties.
    order = np.lexsort((weights, scores))[::-1]
    scores, weights = scores[order], weights[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))[: len(scores)]
    distinct = scores[last]
    pro = np.minimum(np.cumsum(weights)[last] / max(regions, 1), 1.0)
    return PixelRanking(
        above=len(normal) - np.searchsorted(normal, distinct, side="right"),
        reached=len(normal) - np.searchsorted(normal, distinct, side="left"),
        defects=np.diff(last, prepend=-1),
        pro=pro,
        normal_total=len(normal),
    )


def _pixels(maps: Planes, masks: Planes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Normal scores; scores of the defect pixels and their weights 1/|region|; number of regions."""
    pairs = _pairs(maps, masks)
    precision = np.result_type(np.float32, *(scores.dtype for scores, _ in pairs))
    normal = np.empty(sum(mask.size - np.count_nonzero(mask) for _, mask in pairs), dtype=precision)
    filled, defects, weights, regions = 0, [np.empty(0, dtype=precision)], [np.empty(0)], 0
    for scores, mask in pairs:
        here = scores[~mask] if mask.any() else scores.ravel()
        normal[filled : filled + len(here)] = here
        filled += len(here)
        if len(here) < scores.size:
            components, count = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
            region = components[mask]
            defects.append(scores[mask])
            weights.append(1.0 / np.bincount(region)[region])
            regions += count
    return normal, np.concatenate(defects), np.concatenate(weights), regions


def _pairs(maps: Planes, masks: Planes) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(maps) != len(masks):
        raise UserError(f"each anomaly map needs its mask, but got {len(maps)} maps and {len(masks)} masks.")
    pairs = [
        (np.asarray(scores), np.asarray(mask).astype(bool, copy=False))
        for scores, mask in zip(maps, masks, strict=True)
    ]
    for index, (scores, mask) in enumerate(pairs):
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
    return pairs
