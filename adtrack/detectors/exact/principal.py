"""Vectors by a few numbers that tell nearly all of them apart: their principal coordinates, and how long the rest is.

Patch features vary along few directions, so products of a third as many numbers rule out nearly as much as those of the
vectors themselves.
"""

import torch
from torch import Tensor

from .codes import Codes, fast_bytes
from .encoding import LOST, UNIT, EncodedVectors, Encoding, in_parts
from .floats import Floats
from .plan import SearchPlan

# So much of a nearest one's squared distance may lie outside of the directions. Half or twice is hardly slower.
LEFT_OVER = 0.06
_BYTES = 5  # as many products of bytes take as long as one of float32


def encoding_of(vectors: Tensor, plan: SearchPlan) -> Encoding:
    """The encoding that tells vectors like these float32 (n, D) apart at the least cost, unless the plan names one."""
    if plan.encoding == "codes":
        return Codes.of(vectors, plan.encoded_at_once)
    principal = Principal.of(vectors, plan)
    bytes_pay = vectors.device.type == "cpu" and fast_bytes() and _BYTES * principal.dimensions > vectors.shape[1]
    if plan.encoding == "fastest" and bytes_pay:
        return Codes.of(vectors, plan.encoded_at_once)
    return principal


class Principal:
    """The vectors less ``centre`` float64 (D,) along ``directions`` float64 (D, k), and the length of the rest.

    Let a(x) be the coordinates of x along the orthonormal directions and r(x) the length of what is left over. The
    rests of two vectors are at least | r(x) − r(c) | apart, and orthogonal to the directions, so that

        ‖a(x) − a(c)‖² + (r(x) − r(c))² ≤ ‖x − c‖².

    The numbers (a(x), r(x)) are multiplied as ``Floats`` are, whose bound then holds for the distance
    d + u(x) + u(c) of the numbers: u, which is ``uncertain``, is how far rounding them has moved a vector. They are
    computed in float64, so that this is little more than their rounding to float32.
    """

    def __init__(self, centre: Tensor, directions: Tensor, at_once: int) -> None:
        self._centre, self._directions, self._at_once = centre, directions, at_once
        self._floats = Floats(centre.new_zeros(self.dimensions, dtype=torch.float32))
        # Rounding what is kept takes a unit of a vector's length. The rest's square is the difference of two that are
        # off by 2 D units of float64 each; the root of that is a third of a float32 unit for each root of D.
        self._rounding = 2 * (1 + len(centre) ** 0.5) * UNIT

    @classmethod
    def of(cls, vectors: Tensor, plan: SearchPlan) -> "Principal":
        """Along the directions in which a sample of the vectors float32 (n, D) varies most.

        There are as many as it takes for the rest to be small beside the distance of a nearest one, which is what has
        to be told.
        """
        chosen = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))[: plan.sample]
        sample = vectors[chosen.to(vectors.device)].double()
        centre = sample.mean(dim=0)
        varied, directions = torch.linalg.eigh(torch.cov(sample.T, correction=0).reshape(2 * centre.shape))
        beyond = varied.clamp(min=0).cumsum(0).flip(0)  # the variance outside of no direction, of the best one, …
        enough = int((beyond > LEFT_OVER * _nearest_square(sample, plan.asked)).sum())
        return cls(centre, directions.flip(1)[:, : max(enough, 1)].contiguous(), plan.encoded_at_once)

    @property
    def dimensions(self) -> int:
        """How many numbers are kept of a vector."""
        return self._directions.shape[1] + 1

    def encode(self, vectors: Tensor) -> EncodedVectors:
        return in_parts(self._encode, vectors, self._at_once)

    def _encode(self, vectors: Tensor) -> EncodedVectors:
        centred = vectors - self._centre  # float64, as the centre is
        along = centred @ self._directions
        whole, part = (torch.linalg.vector_norm(coordinates, dim=1) for coordinates in (centred, along))
        rest = ((whole - part) * (whole + part)).clamp(min=0).sqrt()
        kept = self._floats.encode(torch.cat([along, rest[:, None]], dim=1).float())
        return EncodedVectors(kept.matrix, kept.halves, (self._rounding * whole + self.dimensions * LOST).float())

    def limits(self, left: EncodedVectors, farthest: Tensor, distance: Tensor) -> Tensor:
        return self._floats.limits(left, farthest, distance + left.uncertain + farthest)


def _nearest_square(sample: Tensor, asked: int) -> Tensor:
    """The median squared distance of the first ``asked`` vectors of a sample (n, D) to their nearest others.

    It is 0 for a sample of one vector.
    """
    distances = torch.cdist(sample[:asked], sample).fill_diagonal_(torch.inf)
    return distances.amin(dim=1).nan_to_num(posinf=0.0).median().square()
