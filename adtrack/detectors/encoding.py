"""Vectors as numbers that multiply fast, and what their product says for certain about the distance of two vectors.

For encoded x and c, c·c/2 − x·c orders the c by their distance from x. ``Codes`` holds
whole numbers of eight bits: their products are exact and on some processors several times as fast, and what rounding to
them has moved a vector by is measured, so the triangle inequality turns their distances into bounds of the true ones.
``Floats`` is the vectors themselves, off only by the rounding of a float32 sum: slower, but it tells neighbours apart
where they are much closer to each other than the vectors are long. A third way is in ``principal.py``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

UNIT = 2.0**-24  # by which a float32 result is off at most, relative to itself
LOST = 2.0**-126  # by which it may be off besides, where it is smaller than ordinary float32 numbers are
_EXACT = 2**24  # whole numbers up to it are float32 numbers
_FAR = 2**30  # the half square of padding in codes, larger than any limit
_CHUNK = 1024  # vectors encoded at once: they stay in the processor's cache


@dataclass(frozen=True)
class Encoded:
    """Encoded vectors: ``matrix`` (n, D), half of its rows' squares (n,), and what their product leaves uncertain."""

    matrix: Tensor
    halves: Tensor
    uncertain: Tensor

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.matrix, self.halves, self.uncertain

    def __getitem__(self, rows: Tensor | slice) -> "Encoded":
        if isinstance(rows, slice):
            return Encoded(*(part[rows] for part in self._parts))
        return Encoded(*(part.index_select(0, rows) for part in self._parts))  # several times as fast as to index

    def blank(self, count: int) -> "Encoded":
        """Room for ``count`` vectors."""
        return Encoded(*(part.new_empty(count, *part.shape[1:]) for part in self._parts))

    def put(self, rows: slice, vectors: "Encoded") -> None:
        """Write ``vectors`` into these ``rows``."""
        for part, other in zip(self._parts, vectors._parts, strict=True):
            part[rows] = other


def padded(encoded: Encoded, multiple: int) -> Encoded:
    """With vectors that are far from everything up to the next multiple of rows."""
    more = -len(encoded) % multiple
    if not more:
        return encoded
    far = _FAR if encoded.halves.dtype == torch.int32 else torch.inf
    return Encoded(
        torch.nn.functional.pad(encoded.matrix, (0, 0, 0, more)),
        torch.nn.functional.pad(encoded.halves, (0, more), value=far),
        torch.nn.functional.pad(encoded.uncertain, (0, more)),
    )


class Encoding(Protocol):
    """A way to encode vectors."""

    def encode(self, vectors: Tensor) -> Encoded:
        """float32 (n, D) encoded."""
        ...

    def limits(self, left: Encoded, farthest: Tensor, distance: Tensor) -> Tensor:
        """What c·c/2 − x·c cannot exceed for vectors c within ``distance`` float64 (n,) of the x of ``left``, whose
        own uncertainty is no larger than ``farthest``: in the products' type (n,)."""
        ...

    def blur(self, encoded: Encoded) -> float:
        """About the distance of two of these vectors below which the product may not tell them apart."""
        ...


class Floats:
    """The vectors less ``centre`` (D,), in its precision.

    A sum of n products is off by at most n units of the sum of their magnitudes, here no more than ‖x‖² + ‖c‖².
    Half squares are lowered by that much, so that products err to one side only; twice that much, which also covers the
    rounding of the squares, the centring and the limits. ``more`` is how many roundings a product has seen besides.
    """

    def __init__(self, centre: Tensor, more: int = 0) -> None:
        self._centre = centre
        kind = torch.finfo(centre.dtype)
        self.rounding = (len(centre) + 8 + more) * kind.eps
        self._lost = 8 * (len(centre) + 8 + more) * kind.tiny

    @classmethod
    def doubles(cls, centre: Tensor) -> "Floats":
        """The vectors in float64, for where float32 is too coarse. As the distances that decide are no better, their
        own rounding counts too: of a square, the D + 2 units of a sum, at either of two distances."""
        return cls(centre.double(), len(centre) + 8)

    def encode(self, vectors: Tensor) -> Encoded:
        centred = vectors - self._centre
        squares = torch.linalg.vector_norm(centred, dim=1).square()
        return Encoded(centred, squares * (0.5 - self.rounding), squares * self.rounding)

    def limits(self, left: Encoded, farthest: Tensor, distance: Tensor) -> Tensor:
        return (distance.square() / 2 - left.halves + self._lost).to(left.halves.dtype)

    def blur(self, encoded: Encoded) -> float:
        return 2 * (2 * float(encoded.halves.max()) * self.rounding) ** 0.5

    def alike(self, left: Tensor, right: Tensor, products: Tensor) -> Tensor:
        """What the product of an x with a vector cannot exceed unless that is farther from x than one whose product is
        in ``products`` (n, k), if no more is uncertain of the x than ``left`` (n,), of the others ``right`` (k,)."""
        # A product is too small by at most 3/2 of what is uncertain of c and 1/2 of that of x, too large by 1/2 of x's.
        return products + (2 * (left[:, None] + right) + self._lost)


class Codes:
    """The vectors, centred and rotated at random, as multiples of a step; uncertain is how far that moved them.

    The rotation spreads a vector evenly over the dimensions, so that one step suits them all.
    """

    def __init__(self, centre: Tensor, step: float) -> None:
        self._centre = centre
        self._step = float(torch.tensor(max(step, LOST), dtype=torch.float32))  # as it is multiplied with
        self._rotation = _rotation(len(centre)).to(centre.device)
        self._top = _largest_code(len(centre))

    @classmethod
    def of(cls, vectors: Tensor) -> "Codes":
        """Codes whose range is that of the vectors float32 (n, D)."""
        centre = vectors.mean(dim=0)
        rotation = _rotation(len(centre)).to(centre.device)
        reach = max(float(((part - centre) @ rotation).abs().max()) for part in vectors.split(_CHUNK))
        return cls(centre, (reach or 1.0) / _largest_code(len(centre)))

    def encode(self, vectors: Tensor) -> Encoded:
        return in_chunks(self._encode, vectors)

    def _encode(self, vectors: Tensor) -> Encoded:
        centred = vectors - self._centre
        turned = centred @ self._rotation
        codes = (turned / self._step).round_().clamp_(-self._top, self._top)
        halves = (codes.square().sum(dim=1) / 2).floor_()  # exact: see _largest_code
        moved = torch.linalg.vector_norm(turned.sub_(codes, alpha=self._step), dim=1)
        # Every coordinate of a rotated vector is a float32 sum of D products, off by D units of ‖x‖ at most; centring,
        # rotation and what is computed from it are rounded too, by less than another D units.
        dimensions = len(self._centre)
        lengths = torch.linalg.vector_norm(centred, dim=1)
        rounding = 2 * (dimensions + 8) * UNIT * math.sqrt(dimensions) * lengths
        rounding += 2 * math.sqrt(dimensions * LOST)  # of the squares that ``moved`` and ``lengths`` are the roots of
        return Encoded(codes.to(torch.int8), halves.to(torch.int32), moved + rounding)

    def limits(self, left: Encoded, farthest: Tensor, distance: Tensor) -> Tensor:
        apart = (distance + left.uncertain + farthest) / self._step
        # A unit more for each half square that was rounded down, and far less for the rounding of this line.
        limit = apart.square() * (1 + 2**-40) / 2 - left.halves + 2
        return limit.clamp(max=_FAR // 2).floor().to(left.halves.dtype)

    def blur(self, encoded: Encoded) -> float:
        return float(encoded.uncertain.max())


def in_chunks(encode: Callable[[Tensor], Encoded], vectors: Tensor) -> Encoded:
    """``encode`` for few vectors at a time."""
    whole = None  # room for all of them at once: collected parts would leave holes in memory as large as themselves
    for at in range(0, max(len(vectors), 1), _CHUNK):
        part = encode(vectors[at : at + _CHUNK])
        whole = part.blank(len(vectors)) if whole is None else whole
        whole.put(slice(at, at + _CHUNK), part)
    return whole


@lru_cache(maxsize=8)
def _rotation(dimensions: int) -> Tensor:
    """A random orthonormal matrix float32 (D, D), always the same."""
    generator = torch.Generator().manual_seed(dimensions)
    return torch.linalg.qr(torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64))[0].float()


def _largest_code(dimensions: int) -> int:
    """Products of codes up to it are exact in float32 as well: their sum stays below 2²⁴."""
    return min(127, math.isqrt(_EXACT // dimensions))


def fast_bytes() -> bool:
    """Whether this processor multiplies bytes faster than float32."""
    return hasattr(torch, "_int_mm") and torch.cpu._is_vnni_supported()
