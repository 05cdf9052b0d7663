"""The pixels of anomaly maps in the order of their scores: pixel AUROC, per-region overlap, and its curve.

Scores are used in the maps' own precision.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from adtrack.evaluation.masked_maps import MaskedMaps, Planes
from adtrack.evaluation.normal_scores import NormalScores

_AT_ONCE = 2**26  # normal scores that are sorted at once: 256 MB
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


def rank_pixels(maps: Planes, masks: Planes, at_once: int = _AT_ONCE) -> PixelRanking:
    """Place the defect pixels among the normal ones.

    ``maps`` and ``masks`` (non-zero = defect) are N×H×W arrays or sequences of H×W of different sizes. Raises
    UserError where shapes differ or a map holds NaN or infinity.

    Between two defect scores both curves run level, so the many normal pixels need no indices: their values are
    counted, and only the few defect pixels are ordered together with their weights. No more than ``at_once`` normal
    values are in memory, or those of one image: where there are more, they are counted piece by piece, and their maps
    are read once more if they hold defects.
    """
    pairs = MaskedMaps(maps, masks)
    first, *others = pairs.pieces(at_once)
    normal, defects = NormalScores(pairs.normal_in(first)), _Defects()
    needed = (index for index, marked in enumerate(pairs.defects) if index in first or marked)
    for index, scores, mask in pairs.read(needed):
        if index in first:
            normal.add(scores, mask)
        if pairs.defects[index]:
            defects.add(scores, mask)
    distinct, last, pro = defects.ranked()
    above, reached = normal.counted(distinct)
    del normal  # its memory is needed for the next piece
    for piece in others:
        more_above, more_reached = _count(pairs, piece, distinct)
        above += more_above
        reached += more_reached
    return PixelRanking(above, reached, np.diff(last, prepend=-1), pro, pairs.normal_in(range(len(pairs))))


def _count(pairs: MaskedMaps, piece: range, distinct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    normal = NormalScores(pairs.normal_in(piece))
    for _, scores, mask in pairs.read(piece):
        normal.add(scores, mask)
    return normal.counted(distinct)


class _Defects:
    """The scores of defect pixels, and how large the regions are that the pixels belong to."""

    def __init__(self) -> None:
        self._scores, self._sizes = [np.empty(0, dtype=np.float32)], [np.empty(0, dtype=np.uint32)]
        self._regions = 0

    def add(self, scores: np.ndarray, mask: np.ndarray) -> None:
        components, regions = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
        region = components[mask]
        self._scores.append(scores[mask])
        self._sizes.append(np.bincount(region)[region].astype(np.uint32))
        self._regions += regions

    def ranked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct scores, highest first; the place of the last pixel of each; and the per-region overlap there.

        Nothing may be added any more.
        """
        scores, sizes = np.concatenate(self._scores), np.concatenate(self._sizes)
        del self._scores, self._sizes  # their memory is needed for what follows
        scores, sizes = _descending(scores, sizes)
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))[: len(scores)]
        weights = 1.0 / sizes
        pro = np.cumsum(weights, out=weights)[last] / max(self._regions, 1)
        return scores[last], last, np.minimum(pro, 1.0, out=pro)


def _descending(scores: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sorted by falling score, and equal scores by rising size: so the bits of sums over them do not depend on the
    order of images and ties."""
    # One number holds score and size: to sort by it is several times as fast as to sort by both.
    if scores.dtype == np.float32:
        rising = (scores + np.float32(0)).view(np.int32)  # there are two zeros, which adding makes one
        rising ^= (rising >> 31) & 0x7FFFFFFF  # whole numbers in the order of the scores
        key = rising.astype(np.int64)
        np.invert(key, out=key)
        key <<= 32
        key |= sizes
        key.sort()
        sizes = key.astype(np.uint32)  # the lower half
        key >>= 32
        rising = np.invert(key, out=key).astype(np.int32)
        rising ^= (rising >> 31) & 0x7FFFFFFF
        return rising.view(np.float32), sizes
    order = np.argsort(scores)[::-1]
    scores = scores[order]
    first = np.ones(len(scores), dtype=bool)
    first[1:] = scores[1:] != scores[:-1]
    key = np.cumsum(first) << 32 | sizes[order]
    key.sort()
    return scores, key & 0xFFFFFFFF
