"""Vectors as whole numbers of eight bits, whose products are exact and on some processors several times as fast."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .encoding import FAR, LOST, UNIT, EncodedVectors, in_parts

_EXACT = 2**24  # whole numbers up to it are float32 numbers


class Codes:
    """The vectors, less ``centre`` and rotated, as the nearest whole multiples of ``step``.

    A rotation R keeps distances, and a random one spreads a vector evenly over its dimensions, so that one step suits
    them all. Let x̂ be the whole numbers of x and u(x) = ‖R (x − centre) − step · x̂‖ how far rounding has moved it, a
    little enlarged for what float32 has rounded on the way. By the triangle inequality

        step · ‖x̂ − ĉ‖ ≤ ‖x − c‖ + u(x) + u(c),

    so that, with h(x) = ‖x̂‖²/2 rounded down,

        ‖x − c‖ ≤ d  ⟹  p(x, c) ≤ ((d + u(x) + u(c)) / step)² / 2 − h(x).

    ``uncertain`` is u.
    """

    def __init__(self, centre: Tensor, step: float, at_once: int) -> None:
        self._centre, self._at_once = centre, at_once
        self._step = float(torch.tensor(max(step, LOST), dtype=torch.float32))  # as it is multiplied with
        self._rotation = RandomRotation.of(len(centre), centre.device)
        self._top = largest_code(len(centre))

    @classmethod
    def of(cls, vectors: Tensor, at_once: int = 1024) -> "Codes":
        """Codes whose range is that of the vectors float32 (n, D), which are encoded ``at_once`` at a time."""
        centre = vectors.mean(dim=0)
        turn = RandomRotation.of(len(centre), centre.device)
        reach = max(float(turn(part - centre).abs().max()) for part in torch.split(vectors, at_once))
        return cls(centre, (reach or 1.0) / largest_code(len(centre)), at_once)

    def encode(self, vectors: Tensor) -> EncodedVectors:
        return in_parts(self._encode, vectors, self._at_once)

    def _encode(self, vectors: Tensor) -> EncodedVectors:
        centred = vectors - self._centre
        turned = self._rotation(centred)
        codes = (turned / self._step).round_().clamp_(-self._top, self._top)
        halves = (codes.square().sum(dim=1) / 2).floor_()  # exact: see ``largest_code``
        moved = torch.linalg.vector_norm(turned.sub_(codes, alpha=self._step), dim=1)
        # A coordinate of a rotated vector comes from float32 sums of a and of b ≤ D / a products, off by at most
        # a + b ≤ D + 1 units of ‖x‖. Centring, the rotation's own rounding and the two lengths are off by less than D
        # units more.
        dimensions = len(self._centre)
        lengths = torch.linalg.vector_norm(centred, dim=1)
        rounding = 2 * (dimensions + 8) * UNIT * math.sqrt(dimensions) * lengths
        rounding += 2 * math.sqrt(dimensions * LOST)  # what the squares below ``moved`` and ``lengths`` may lose
        return EncodedVectors(codes.to(torch.int8), halves.to(torch.int32), moved + rounding)

    def limits(self, left: EncodedVectors, farthest: Tensor, distance: Tensor) -> Tensor:
        apart: Tensor = (distance + left.uncertain + farthest) / self._step
        # One more for each half square that was rounded down: far more than the rounding of this line takes.
        limit = apart.square() * (1 + 2.0**-40) / 2 - left.halves + 2
        return limit.clamp(max=FAR // 2).floor().to(left.halves.dtype)


@dataclass(frozen=True)
class RandomRotation:
    """A random rotation of vectors (n, D), always the same: written as a matrix (a, b), a vector X becomes A X B.

    ``down`` A (a, a) and ``across`` B (b, b) are orthonormal float32, and a is the largest divisor of D that is no
    larger than b = D / a. That takes a + b multiplications for each number of a vector; a matrix (D, D) takes D.
    """

    down: Tensor
    across: Tensor

    @classmethod
    def of(cls, dimensions: int, device: torch.device) -> "RandomRotation":
        """The rotation of vectors of so many numbers."""
        rows = max(count for count in range(1, math.isqrt(dimensions) + 1) if dimensions % count == 0)
        return cls(_orthonormal(rows).to(device), _orthonormal(dimensions // rows).to(device))

    def __call__(self, vectors: Tensor) -> Tensor:
        matrices = (vectors.reshape(-1, len(self.across)) @ self.across).view(-1, len(self.down), len(self.across))
        return (self.down @ matrices).view_as(vectors)


@lru_cache(maxsize=16)
def _orthonormal(dimensions: int) -> Tensor:
    """A random orthonormal matrix float32, always the same."""
    generator = torch.Generator().manual_seed(dimensions)
    draws = torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64)
    orthonormal: Tensor = torch.linalg.qr(draws)[0]
    return orthonormal.float()


def largest_code(dimensions: int) -> int:
    """The largest code: products of codes are sums below 2²⁴, which are exact in float32 as well."""
    return min(127, math.isqrt(_EXACT // dimensions))


def fast_bytes() -> bool:
    """Whether this processor multiplies bytes faster than float32."""
    return hasattr(torch, "_int_mm") and bool(torch.cpu._is_vnni_supported())
