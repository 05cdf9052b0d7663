"""Which bank rows can be the nearest: lower bounds of all distances, from short vectors.

Vectors are shortened to their coordinates in an orthonormal basis of the bank's main directions plus the length of
what the basis leaves out. Distances between shortened vectors never exceed the true ones, so one small matrix product
rules out nearly every row.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_DIMENSIONS = 128  # of a shortened vector, beside the rest's length: more rule out more and multiply more
_SAMPLE = 4096  # bank rows that the basis is computed from
_BLOCK = 64  # columns whose minimum is looked at before they are

Reach = Callable[[Tensor], Tensor]


class LowerBounds:
    """Candidates for the nearest rows of a bank float32 (M, D)."""

    def __init__(self, patches: Tensor) -> None:
        self._centre = patches.mean(dim=0)
        self._basis = _main_directions(patches - self._centre)
        rows, squares = self._shorten(patches)
        self._reach = squares.max().sqrt()
        padding = -len(rows) % _BLOCK  # rows that are infinitely far away make whole blocks
        self._rows = torch.nn.functional.pad(rows, (0, 0, 0, padding))
        self._squares = torch.nn.functional.pad(squares, (0, padding), value=torch.inf)

    def _shorten(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Short vectors float32 (n, r) and their squared lengths float32 (n,)."""
        centred = vectors - self._centre
        if self._basis is not None:
            centred = torch.cat([self._project(part) for part in centred.split(8192)])
        return centred, centred.double().square().sum(dim=1).float()

    def _project(self, centred: Tensor) -> Tensor:
        exact = centred.double()
        main = exact @ self._basis
        rest = (exact.square().sum(dim=1) - main.square().sum(dim=1)).clamp_min_(0).sqrt_()
        return torch.cat([main, rest[:, None]], dim=1).float()

    def candidates(self, queries: Tensor, k: int, reach: Reach) -> tuple[Tensor, Tensor]:
        """Pairs (query, row), ordered so, among which are the k nearest rows of every query float32 (n, D).

        ``reach(rows)``, of int64 (n, k), is the squared true distance within which those rows lie, float64 (n,): the
        k nearest are no farther than any k rows.
        """
        short, squares = self._shorten(queries)
        bounds = torch.addmm(self._squares, short, self._rows.T, alpha=-2.0)  # less the queries' own squares
        blocks = bounds.view(len(queries), -1, _BLOCK)
        lowest = blocks.amin(dim=2)
        limit = reach(_guess(bounds, blocks, lowest, k)).float() * (1 + 2**-20) - squares + self._slack(short, squares)
        query, block = (lowest <= limit[:, None]).nonzero(as_tuple=True)
        pair, column = (blocks[query, block] <= limit[query, None]).nonzero(as_tuple=True)
        return query[pair], block[pair] * _BLOCK + column

    def _slack(self, short: Tensor, squares: Tensor) -> Tensor:
        """By how much rounding may have raised a bound: the dot product's error bound, as in coreset.py, with room for
        the rounding of the short vectors themselves."""
        return (short.shape[1] / 2 + 32) * 2.0**-24 * (squares.sqrt() + self._reach).square()


def _guess(bounds: Tensor, blocks: Tensor, lowest: Tensor, k: int) -> Tensor:
    """int64 (n, k): the rows of the lowest bounds."""
    if k > 1:
        return bounds.topk(k, dim=1, largest=False).indices
    block = lowest.argmin(dim=1)
    column = blocks[torch.arange(len(block), device=block.device), block].argmin(dim=1)
    return (block * _BLOCK + column)[:, None]


def _main_directions(centred: Tensor) -> Tensor | None:
    """float64 (D, r), orthonormal; None if the vectors are too short to gain from it. Any such basis gives true
    bounds; the one of the largest variance gives tight ones."""
    if centred.shape[1] < 4 * _DIMENSIONS:
        return None
    sample = centred[:: max(1, len(centred) // _SAMPLE)][:_SAMPLE]
    _, vectors = torch.linalg.eigh(sample.T @ sample)
    return torch.linalg.qr(vectors[:, -_DIMENSIONS:].double())[0]
