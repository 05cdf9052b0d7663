"""How many normal pixels score higher than each of many thresholds, or as high: exact, and without sorting them."""

import numpy as np
import torch

_BINS = 2**16  # of a page: all float32 numbers with the same upper 16 bits
_PAGES = 2**10  # at most: 256 MB
_FEW = 2**21  # scores, which are sorted within a tenth of a second
_AT_ONCE = 2**15  # scores or thresholds that are looked at together: their arrays stay in a core's cache
_ONES = torch.ones(_AT_ONCE, dtype=torch.int32)


class NormalScores:
    """The scores of a known number of normal pixels.

    A score above zero of 32 bits is counted in the bin of its own number, as long as there are bins: these come in
    pages, which together are no larger than half of the scores. All other scores are kept and sorted, in the precision
    of the finest map. The scores of many large maps lie so close that nearly all are counted, which takes a quarter of
    the time of sorting them.
    """

    def __init__(self, count: int) -> None:
        self._page_of = np.full(2**15, -1, dtype=np.int64)  # by the upper 16 bits of a number
        self._pages = 0
        self._bins = np.zeros((min(_PAGES, max(0, count - _FEW) // (2 * _BINS)), _BINS), dtype=np.int32)
        self._rest, self._filled = np.empty(count, dtype=np.float32), 0

    def add(self, scores: np.ndarray, mask: np.ndarray) -> None:
        """Add the pixels of a map (H, W) that its mask does not mark."""
        normal = scores[~mask] if mask.any() else scores.ravel()
        if not len(self._bins) or normal.dtype != np.float32:
            self._keep(normal)
            return
        for start in range(0, len(normal), _AT_ONCE):
            self._count(normal[start : start + _AT_ONCE])

    def _keep(self, scores: np.ndarray) -> None:
        end = self._filled + len(scores)
        if not np.can_cast(scores.dtype, self._rest.dtype):
            finer = np.empty(len(self._rest), dtype=np.result_type(self._rest, scores))
            finer[: self._filled] = self._rest[: self._filled]
            self._rest = finer
        self._rest[self._filled : end] = scores
        self._filled = end

    def _count(self, scores: np.ndarray) -> None:
        positive = scores > 0
        if not positive.all():
            self._keep(scores[~positive])
            scores = scores[positive]
        bits = np.ascontiguousarray(scores).view(np.int32)
        at = self._page_of.take(bits >> 16)
        if (at < 0).any():
            if self._pages < len(self._bins):
                self._open(bits[at < 0] >> 16)
                at = self._page_of.take(bits >> 16)
            self._keep(scores[at < 0])
            bits, at = bits[at >= 0], at[at >= 0]
        at *= _BINS
        at |= bits & (_BINS - 1)
        # torch's sum, not NumPy's, during which no other thread could measure another set.
        torch.from_numpy(self._bins.reshape(-1)).scatter_add_(0, torch.from_numpy(at), _ONES[: len(at)])

    def _open(self, upper: np.ndarray) -> None:
        """Open pages for the most frequent of these upper bits."""
        frequent = np.argsort(-np.bincount(upper), kind="stable")[: len(np.unique(upper))]
        opened = frequent[: len(self._bins) - self._pages]
        self._page_of[opened] = np.arange(self._pages, self._pages + len(opened))
        self._pages += len(opened)

    def counted(self, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many scores are higher than each threshold, and how many are as high or higher: int64. Nothing may be
        added any more."""
        rest = self._rest[: self._filled]
        rest.sort()
        above = len(rest) - np.searchsorted(rest, thresholds, side="right")
        reached = len(rest) - np.searchsorted(rest, thresholds, side="left")
        total = self._accumulate()
        for start in range(0, len(thresholds) if total else 0, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            below = _number_below(thresholds[part])
            lower = np.where(below == thresholds[part], np.nextafter(below, np.float32(-np.inf)), below)
            above[part] += total - self._up_to(below)
            reached[part] += total - self._up_to(lower)
        return above, reached

    def _accumulate(self) -> int:
        """Let every bin hold how many counted scores are not higher, and tell how many there are in all."""
        total = 0
        for upper in np.flatnonzero(self._page_of >= 0):
            bins = self._bins[self._page_of[upper]]
            bins[0] += total
            np.cumsum(bins, out=bins)
            total = int(bins[-1])
        return total

    def _up_to(self, numbers: np.ndarray) -> np.ndarray:
        """How many counted scores are at most as high as each of these float32 numbers: int64."""
        bits = np.maximum(numbers, np.float32(0)).view(np.int32)
        opened = np.flatnonzero(self._page_of >= 0)
        place = np.searchsorted(opened, bits >> 16, side="right") - 1  # the last open page that is not higher
        found = np.zeros(len(bits), dtype=np.int64)
        some = np.flatnonzero(place >= 0)
        upper, bits = opened[place[some]], bits[some]
        lower = np.where(upper == bits >> 16, bits & (_BINS - 1), _BINS - 1)
        found[some] = self._bins[self._page_of[upper], lower]
        return found


def _number_below(thresholds: np.ndarray) -> np.ndarray:
    """The highest float32 number that is not above each threshold."""
    numbers = thresholds.astype(np.float32)
    return np.where(numbers > thresholds, np.nextafter(numbers, np.float32(-np.inf)), numbers)
