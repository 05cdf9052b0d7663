"""The vectors themselves as an encoding: off only by the rounding of a sum of products."""

import torch
from torch import Tensor

from .encoding import EncodedVectors


class Floats:
    """The vectors less ``centre`` (D,), in the precision of the centre.

    A computed sum of D products is off by at most D units of the sum of their magnitudes, for which
    Σ |xᵢ cᵢ| ≤ (‖x‖² + ‖c‖²) / 2. With u(x) = rounding · ‖x‖², the half squares are lowered to h(x) = ‖x‖²/2 − u(x), so
    that products err to one side only:

        ‖x − c‖ ≤ d         ⟹  p(x, c) ≤ d²/2 − h(x) + lost,
        ‖x − c‖ ≤ ‖x − b‖   ⟹  p(x, c) ≤ p(x, b) + 2 (u(x) + u(b)) + lost.

    For t(x, c) = (‖x − c‖² − ‖x‖²) / 2 is p(x, c) without rounding, and t − (u(x) + 3 u(c)) / 2 ≤ p ≤ t + u(x) / 2. The
    rounding is chosen twice as large as the sum needs: that also covers the squares, the centring and the limits.
    ``lost`` is what vanishes where numbers are too small for their precision. ``uncertain`` is u.
    """

    def __init__(self, centre: Tensor, more: int = 0) -> None:
        """``more`` roundings of a product count besides those of its own sum."""
        self._centre = centre
        kind = torch.finfo(centre.dtype)
        self._rounding = (len(centre) + 8 + more) * kind.eps
        self._lost = 8 * (len(centre) + 8 + more) * kind.tiny

    @classmethod
    def doubles(cls, centre: Tensor) -> "Floats":
        """The vectors in float64, for those that float32 does not tell apart.

        The distances that decide are float64 too, so their own rounding counts: the D + 2 units of a sum of squares, at
        each of the two distances that are compared.
        """
        return cls(centre.double(), len(centre) + 8)

    def encode(self, vectors: Tensor) -> EncodedVectors:
        centred = vectors - self._centre
        squares: Tensor = torch.linalg.vector_norm(centred, dim=1).square()
        return EncodedVectors(centred, squares * (0.5 - self._rounding), squares * self._rounding)

    def limits(self, left: EncodedVectors, farthest: Tensor, distance: Tensor) -> Tensor:
        return (distance.square() / 2 - left.halves + self._lost).to(left.halves.dtype)

    def reach(self, left: EncodedVectors, right: Tensor, products: Tensor) -> Tensor:
        """Upper bounds (n,) of ‖x − b‖ for one b of each x in ``left``: p(x, b) is in ``products`` (n,), u(b) in
        ``right`` (n,).

        ‖x − b‖² = ‖x‖² + 2 t(x, b), where 2 t ≤ 2 p + u(x) + 3 u(b) and ‖x‖² ≤ 2 h(x) + 3 u(x). As many units again
        cover the rounding of the sums and of the root.
        """
        squares: Tensor = 2 * (left.halves + products) + 8 * (left.uncertain + right) + self._lost
        return squares.clamp(min=self._lost).sqrt()

    def alike(self, left: Tensor, right: Tensor, products: Tensor) -> Tensor:
        """The limits p(x, b) + 2 (u(x) + u(b)) + lost for p(x, b) in ``products``, u(x) in ``left`` and u(b) in
        ``right``, whose shapes go together."""
        return products + (2 * (left + right) + self._lost)
