"""Exact distances of pairs of vectors. They decide wherever a bound cannot.

The bits of a pair's distance depend on the two vectors alone: not on how many pairs are computed together, nor in which
order. So equal distances are equal wherever they come from.
"""

import torch
from torch import Tensor

from ...errors import UserError

_LARGEST = 1e16  # a sum of a million squares of it is still a float32 number
# A part of a long list of pairs holds so many numbers of either side. They stay in the processor's cache. Larger parts
# would be given back to the system one by one, and to be handed the memory again costs more than the distances.
NUMBERS = 2**16
_BY_DIFFERENCES = "donot_use_mm_for_euclid_dist"


def check_vectors(what: str, vectors: Tensor) -> None:
    """UserError unless ``vectors`` float32 (n, D) are numbers that have distances."""
    # The extremes need no memory of their own, as a mask would. They are NaN if any number is: NaN is below nothing.
    low, high = torch.aminmax(vectors)
    if not (-low < _LARGEST and high < _LARGEST):
        raise UserError(f"{what} must be finite numbers below {_LARGEST:g}, but some are NaN, infinite or larger.")


def pair_distances(
    left: Tensor,
    rows: Tensor,
    right: Tensor,
    others: Tensor,
    dtype: torch.dtype = torch.float64,
    numbers: int = NUMBERS,
) -> Tensor:
    """Euclidean distances of ``left[rows]`` and ``right[others]``, pair by pair, summed in ``dtype``: (p,).

    ``left`` and ``right`` are float32 (n, D) and (m, D), ``rows`` and ``others`` int64 (p,).
    """
    size = max(1, numbers // left.shape[1])
    parts = [
        torch.cdist(_picked(left, row, dtype), _picked(right, other, dtype), 2.0, _BY_DIFFERENCES)
        for row, other in zip(torch.split(rows, size), torch.split(others, size), strict=True)
    ]
    return torch.cat(parts).flatten()


def mutual_distances(vectors: Tensor) -> Tensor:
    """Euclidean distances of all pairs of ``vectors`` float32 (n, D): float64 (n, n), with the bits of
    ``pair_distances``."""
    vectors = vectors.double()
    return torch.cdist(vectors, vectors, 2.0, _BY_DIFFERENCES)


def nearest_pairs(count: int, row: Tensor, other: Tensor, distance: Tensor) -> Tensor:
    """The places of the pairs that are the nearest of their row: int64, ascending, one for each row that has a pair.

    The pairs are ``row`` and ``other`` int64 (p,), with rows below ``count``. Of pairs at the same distance the one
    with the lowest ``other`` counts.
    """
    best = (distance == least_of_each(count, row, distance)[row]).nonzero().squeeze(1)
    lowest = other.new_full((count,), torch.iinfo(other.dtype).max)
    lowest.scatter_reduce_(0, row[best], other[best], reduce="amin")
    return best[other[best] == lowest[row[best]]]


def least_of_each(count: int, row: Tensor, distance: Tensor) -> Tensor:
    """The smallest ``distance`` (p,) among each row's pairs: (count,)."""
    return distance.new_full((count,), torch.inf).scatter_reduce_(0, row, distance, reduce="amin")


def _picked(vectors: Tensor, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """The ``rows`` of ``vectors`` as a batch of one each: (p, 1, D)."""
    return vectors.index_select(0, rows).to(dtype).unsqueeze(1)
