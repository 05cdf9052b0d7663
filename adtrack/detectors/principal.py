"""Vectors by a few numbers that tell nearly all of them apart: their principal coordinates, and how long the rest is.

Patch features vary along few directions. Two vectors are at least as far apart as their coordinates along these and the
lengths of what is left over, taken together, are: an orthogonal projection shortens, and of two rests with given
lengths none are closer than those that point the same way. So products of a third as many numbers rule out nearly as
much as those of the vectors themselves.
"""

import torch
from torch import Tensor

from .encoding import LOST, UNIT, Codes, Encoded, Encoding, Floats, fast_bytes, in_chunks

_SAMPLE = 4096  # vectors that stand for all in the choice of the directions
_ASKED = 64  # of them whose nearest is looked for
_LEFT_OVER = 0.06  # of a nearest's squared distance may lie outside of the directions: measured best, give or take half
_BYTES = 5  # as many products of bytes take as long as one of float32


def encoding_of(vectors: Tensor) -> Encoding:
    """What tells vectors like these float32 (n, D) apart at the least cost."""
    principal = Principal.of(vectors)
    if vectors.device.type == "cpu" and fast_bytes() and _BYTES * principal.dimensions > vectors.shape[1]:
        return Codes.of(vectors)
    return principal


class Principal:
    """The vectors less ``centre`` float64 (D,) along ``directions`` float64 (D, k), and the length of the rest.

    Computed in float64, so that ``uncertain`` is little more than the rounding of what is kept to float32.
    """

    def __init__(self, centre: Tensor, directions: Tensor) -> None:
        self._centre, self._directions = centre, directions
        self._floats = Floats(centre.new_zeros(self.dimensions, dtype=torch.float32))
        # Of a vector's length: to round what is kept, a unit; to take the rest's square from two that are each off by
        # 2 D units of float64, the root of that, which is a third of a float32 unit for each root of D.
        self._rounding = 2 * (1 + len(centre) ** 0.5) * UNIT

    @classmethod
    def of(cls, vectors: Tensor) -> "Principal":
        """Along the directions in which a sample of the vectors float32 (n, D) varies most: as many as it takes for the
        rest to be small beside the distance of a nearest one, which is what has to be told."""
        chosen = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))[:_SAMPLE]
        sample = vectors[chosen.to(vectors.device)].double()
        centre = sample.mean(dim=0)
        varied, directions = torch.linalg.eigh(torch.cov(sample.T, correction=0).reshape(2 * centre.shape))
        beyond = varied.clamp(min=0).cumsum(0).flip(0)  # of all directions, of all but the best, …
        enough = int((beyond > _LEFT_OVER * _nearest_square(sample)).sum())
        return cls(centre, directions.flip(1)[:, : max(enough, 1)].contiguous())

    @property
    def dimensions(self) -> int:
        """Numbers that are kept of a vector."""
        return self._directions.shape[1] + 1

    def encode(self, vectors: Tensor) -> Encoded:
        return in_chunks(self._encode, vectors)

    def _encode(self, vectors: Tensor) -> Encoded:
        centred = vectors - self._centre  # float64, as the centre is
        along = centred @ self._directions
        whole, part = (torch.linalg.vector_norm(coordinates, dim=1) for coordinates in (centred, along))
        rest = ((whole - part) * (whole + part)).clamp(min=0).sqrt()
        kept = self._floats.encode(torch.cat([along, rest[:, None]], dim=1).float())
        return Encoded(kept.matrix, kept.halves, (self._rounding * whole + self.dimensions * LOST).float())

    def limits(self, left: Encoded, farthest: Tensor, distance: Tensor) -> Tensor:
        return self._floats.limits(left, farthest, distance + left.uncertain + farthest)

    def blur(self, encoded: Encoded) -> float:
        return self._floats.blur(encoded) + float(encoded.uncertain.max())


def _nearest_square(sample: Tensor) -> Tensor:
    """Median squared distance of some vectors of a sample (n, D) to their nearest others; 0 for one that is alone."""
    distances = torch.cdist(sample[:_ASKED], sample).fill_diagonal_(torch.inf)
    return distances.amin(dim=1).nan_to_num(posinf=0.0).median().square()
