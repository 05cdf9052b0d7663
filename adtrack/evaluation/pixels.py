"""The pixels of anomaly maps in the order of their scores: pixel AUROC, per-region overlap, and its curve.

Scores are used in the maps' own precision.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from adtrack.errors import UserError

Planes = np.ndarray | Sequence[np.ndarray]
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class PixelRanking:
    """All that the curves depend on: one entry for each distinct score of a defect pixel, highest first.

    ``above`` int64 counts the normal pixels with a higher score, ``reached`` int64 those with this score or a higher
    one, ``defects`` int64 the defect pixels with exactly this score. ``pro`` float64 is the per-region overlap with
    this score as threshold. ``normal_total`` is the number of normal pixels.
    """

    above: np.ndarray
    reached: np.ndarray
    defects: np.ndarray
    pro: np.ndarray
    normal_total: int

    @property
    def empty(self) -> bool:
        return not (self.normal_total and len(self.defects))

    def auroc(self) -> float:
        """The share of (defect, normal) pixel pairs in the right order, counted in whole numbers; a tie is one half."""
        if self.empty:
            return float("nan")
        twice_below = 2 * self.normal_total - self.above - self.reached
        pairs = int(self.defects.sum()) * self.normal_total
        return int(twice_below @ self.defects) / (2 * pairs)

    def aupro(self, limit: float) -> float:
        """Area under the curve up to false-positive rate ``limit``, divided by ``limit``; NaN if there is no curve."""
        if self.empty:
            return float("nan")
        fpr, pro = self._edges(limit)
        pro[-1] = np.interp(limit, fpr[-2:], pro[-2:])
        fpr[-1] = limit
        return float(np.trapezoid(pro, fpr) / limit)

    def pro_curve(self, limit: float, points: int) -> tuple[np.ndarray, np.ndarray]:
        """False-positive rates from 0 to ``limit`` and the per-region overlap there, float64 (points,): to be drawn."""
        at = np.linspace(0.0, limit, points)
        return at, np.full(points, np.nan) if self.empty else np.interp(at, *self._edges(limit))

    def _edges(self, limit: float) -> tuple[np.ndarray, np.ndarray]:
        """The curve from (0, 0) to its first edge beyond false-positive rate ``limit``, or to (1, 1)."""
        inside = bisect_right(self.reached, limit, key=lambda count: count / self.normal_total)
        above, reached, overlap = (part[: inside + 1] for part in (self.above, self.reached, self.pro))
        fpr, pro = np.zeros((2, 2 * len(overlap) + 2))
        # Each distinct defect score is an edge of the curve, which is level up to it and then rises: straight up, or
        # slanting if normal pixels have the same score.
        fpr[1:-1:2], fpr[2:-1:2], fpr[-1] = above / self.normal_total, reached / self.normal_total, 1.0
        pro[3:-1:2], pro[2:-1:2], pro[-1] = overlap[:-1], overlap, 1.0
        end = min(int(np.searchsorted(fpr, limit, side="right")) + 1, len(fpr))
        return fpr[:end], pro[:end]


def rank_pixels(maps: Planes, masks: Planes) -> PixelRanking:
    """Place the defect pixels among the sorted normal ones.

    ``maps`` and ``masks`` (non-zero = defect) are N×H×W arrays or lists of H×W of different sizes. Raises
    UserError where shapes differ or a map holds NaN or infinity.

    Between two defect scores both curves run level, so the many normal pixels need no indices: their values
    are sorted in one copy, and only the few defect pixels are ordered together with their weights.
    """
    normal, scores, sizes, regions = _pixels(maps, masks)
    normal.sort()
    scores, sizes = _descending(scores, sizes)
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))[: len(scores)]
    weights = 1.0 / sizes
    pro = np.cumsum(weights, out=weights)[last] / max(regions, 1)
    del sizes, weights  # their memory is needed below
    scores = scores[last]
    return PixelRanking(
        above=len(normal) - np.searchsorted(normal, scores, side="right"),
        reached=len(normal) - np.searchsorted(normal, scores, side="left"),
        defects=np.diff(last, prepend=-1),
        pro=np.minimum(pro, 1.0, out=pro),
        normal_total=len(normal),
    )


def _descending(scores: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sorted by falling score, and equal scores by rising size: so the bits of sums over them do not depend on the
    order of images and ties."""
    order = np.argsort(scores)[::-1]
    scores = scores[order]
    first = np.ones(len(scores), dtype=bool)
    first[1:] = scores[1:] != scores[:-1]
    # One number holds score and size: to sort by it is several times as fast as to sort by both.
    key = np.cumsum(first) << 32 | sizes[order]
    key.sort()
    return scores, key & 0xFFFFFFFF


def _pixels(maps: Planes, masks: Planes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Normal scores; scores of the defect pixels and the sizes of their regions; number of regions."""
    pairs = _pairs(maps, masks)
    precision = np.result_type(np.float32, *(scores.dtype for scores, _ in pairs))
    defects = [int(np.count_nonzero(mask)) for _, mask in pairs]
    total = sum(defects)
    normal = np.empty(sum(mask.size for _, mask in pairs) - total, dtype=precision)
    defect, sizes = np.empty(total, dtype=precision), np.empty(total, dtype=np.uint32)
    filled, found, regions = 0, 0, 0
    for (scores, mask), count in zip(pairs, defects, strict=True):
        here, there = slice(filled, filled + mask.size - count), slice(found, found + count)
        normal[here] = scores[~mask] if count else scores.ravel()
        if count:
            components, some = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
            region = components[mask]
            defect[there], sizes[there] = scores[mask], np.bincount(region)[region]
            regions += some
        filled, found = here.stop, there.stop
    return normal, defect, sizes, regions


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
