"""Vectors by a few numbers that tell nearly all of them apart: their principal coordinates, and how long the rest is.

Patch features vary along few directions, so products of a fraction of the numbers rule out nearly as much as those of
the vectors themselves.
"""

import torch
from torch import Tensor

from .codes import Codes
from .encoding import LOST, UNIT, EncodedVectors, Encoding, in_parts
from .floats import Floats


class Principal:
    """The vectors less ``centre`` float64 (D,) along ``directions`` float64 (D, k), and the length of the rest.

    Let a(x) be the coordinates of x along the orthonormal directions and r(x) the length of what is left over. The
    rests of two vectors are at least | r(x) − r(c) | apart, and orthogonal to the directions, so that

        ‖a(x) − a(c)‖² + (r(x) − r(c))² ≤ ‖x − c‖².

    The numbers (a(x), r(x)) are encoded in their turn, by ``numbers``. They are computed in float64, so that little
    more than their rounding to float32 moves them. ``uncertain`` is how far a vector is moved by both.
    """

    def __init__(self, centre: Tensor, directions: Tensor, numbers: Encoding, at_once: int) -> None:
        self._centre, self._directions, self._numbers, self._at_once = centre, directions, numbers, at_once
        # Rounding what is kept takes a unit of a vector's length. The rest's square is the difference of two that are
        # off by 2 D units of float64 each; the root of that is a third of a float32 unit for each root of D.
        self._rounding = 2 * (1 + len(centre) ** 0.5) * UNIT

    @classmethod
    def floats(cls, centre: Tensor, directions: Tensor, at_once: int) -> "Principal":
        """The numbers themselves."""
        nothing = centre.new_zeros(directions.shape[1] + 1, dtype=torch.float32)
        return cls(centre, directions, _MovedFloats(nothing), at_once)

    @classmethod
    def codes(
        cls, centre: Tensor, directions: Tensor, vectors: Tensor, at_once: int
    ) -> tuple["Principal", EncodedVectors]:
        """The numbers as codes, whose range is that of the vectors float32 (n, D); and these, encoded."""
        numbers = vectors.new_empty(len(vectors), directions.shape[1] + 1)
        lengths = centre.new_empty(len(vectors))
        for at in range(0, len(vectors), at_once):  # to collect the parts would take as much memory again
            some = slice(at, at + at_once)
            numbers[some], lengths[some] = _numbers(vectors[some], centre, directions)
        principal = cls(centre, directions, Codes.of(numbers, at_once), at_once)
        return principal, principal._moved(numbers, lengths)

    @property
    def dimensions(self) -> int:
        """How many numbers are kept of a vector."""
        return self._directions.shape[1] + 1

    def encode(self, vectors: Tensor) -> EncodedVectors:
        return in_parts(self._encode, vectors, self._at_once)

    def _encode(self, vectors: Tensor) -> EncodedVectors:
        return self._moved(*_numbers(vectors, self._centre, self._directions))

    def _moved(self, numbers: Tensor, lengths: Tensor) -> EncodedVectors:
        kept = self._numbers.encode(numbers)
        moved = (self._rounding * lengths + self.dimensions * LOST).float()
        return EncodedVectors(kept.matrix, kept.halves, kept.uncertain + moved)

    def limits(self, left: EncodedVectors, farthest: Tensor, distance: Tensor) -> Tensor:
        return self._numbers.limits(left, farthest, distance)


class _MovedFloats(Floats):
    """Floats whose ``uncertain`` is how far something else has moved them."""

    def encode(self, vectors: Tensor) -> EncodedVectors:
        kept = super().encode(vectors)
        return EncodedVectors(kept.matrix, kept.halves, torch.zeros_like(kept.uncertain))

    def limits(self, left: EncodedVectors, farthest: Tensor, distance: Tensor) -> Tensor:
        return super().limits(left, farthest, distance + left.uncertain + farthest)


def _numbers(vectors: Tensor, centre: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """(a(x), r(x)) of vectors float32 (n, D): float32 (n, k + 1); and their lengths float64 (n,) from the centre."""
    centred = vectors - centre  # float64, as the centre is
    along = centred @ directions
    whole, part = (torch.linalg.vector_norm(coordinates, dim=1) for coordinates in (centred, along))
    rest = ((whole - part) * (whole + part)).clamp(min=0).sqrt()
    return torch.cat([along, rest[:, None]], dim=1).float(), whole
