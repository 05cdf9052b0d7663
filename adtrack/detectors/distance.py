"""Exact distances of pairs of vectors: what every bound of a fast search is checked against.

A pair's bits depend on nothing but the pair: not on how many others are computed with it, nor in which order, so equal
distances are equal wherever they come from.
"""

import torch
from torch import Tensor

from ..errors import UserError

_LARGEST = 1e16  # sums of a million squares of it are still float32 numbers
# Of a part's vectors: they stay in the processor's cache. More would be given back to the system after every part, and
# to be handed the memory again costs several times the distances.
_NUMBERS = 2**16
_DIRECT = "donot_use_mm_for_euclid_dist"  # sums of squared differences


def check_vectors(what: str, vectors: Tensor) -> None:
    """UserError unless ``vectors`` float32 (n, D) are numbers that distances can be computed of."""
    # The extremes need no room of their own, as a mask would. They are NaN if any is, and NaN is not below anything.
    low, high = torch.aminmax(vectors)
    if not (-low < _LARGEST and high < _LARGEST):
        raise UserError(f"{what} must be finite numbers below {_LARGEST:g}, but some are NaN, infinite or larger.")


def pair_distances(
    left: Tensor, rows: Tensor, right: Tensor, others: Tensor, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Euclidean distances of ``left[rows]`` and ``right[others]``, pair by pair, summed in ``dtype``: (p,).

    ``left`` and ``right`` are float32 (n, D) and (m, D), ``rows`` and ``others`` int64 (p,).
    """
    size = max(1, _NUMBERS // left.shape[1])
    parts = [
        torch.cdist(_picked(left, row, dtype).unsqueeze(1), _picked(right, other, dtype).unsqueeze(1), 2.0, _DIRECT)
        for row, other in zip(rows.split(size), others.split(size), strict=True)
    ]
    return torch.cat(parts).flatten()


def mutual_distances(vectors: Tensor) -> Tensor:
    """Euclidean distances of all pairs of ``vectors`` float32 (n, D): float64 (n, n), with the bits of
    ``pair_distances``."""
    vectors = vectors.double()
    return torch.cdist(vectors, vectors, 2.0, _DIRECT)


def nearest_pairs(count: int, row: Tensor, other: Tensor, distance: Tensor) -> Tensor:
    """Which of the pairs of ``row`` and ``other`` int64 (p,) is the nearest of its row, of equals that of the lowest
    ``other``: places int64 in the order of the pairs, one of every row below ``count`` that has any."""
    best = (distance == least_of_each(count, row, distance)[row]).nonzero().squeeze(1)
    lowest = other.new_full((count,), torch.iinfo(other.dtype).max)
    lowest.scatter_reduce_(0, row[best], other[best], reduce="amin")
    return best[other[best] == lowest[row[best]]]


def least_of_each(count: int, row: Tensor, distance: Tensor) -> Tensor:
    """The smallest ``distance`` (p,) of each row's pairs: (count,)."""
    return distance.new_full((count,), torch.inf).scatter_reduce_(0, row, distance, reduce="amin")


def _picked(vectors: Tensor, rows: Tensor, dtype: torch.dtype) -> Tensor:
    return vectors.index_select(0, rows).to(dtype)
