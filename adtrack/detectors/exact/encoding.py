"""What all encodings share: vectors as numbers that multiply fast, and what a product says about a distance.

An encoding turns a vector x into a row x̂ of numbers and half a square h(x), near ‖x̂‖²/2. The product of x and c is

    p(x, c) = h(c) − x̂·ĉ,   near ‖x̂ − ĉ‖²/2 − h(x).

For one x it orders the c by their encoded distance. ``codes.py``, ``principal.py`` and ``floats.py`` are the encodings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

UNIT = 2.0**-24  # a float32 result is off by at most this part of itself …
LOST = 2.0**-126  # … and by this much besides, where it is smaller than ordinary float32 numbers
FAR = 2**30  # half a square of padding among whole numbers, larger than any limit


@dataclass(frozen=True)
class EncodedVectors:
    """Encoded vectors: ``matrix`` (n, D) holds the x̂, ``halves`` (n,) the h(x).

    ``uncertain`` float32 (n,) is what the encoding leaves open about each vector; each encoding says in which unit.
    """

    matrix: Tensor
    halves: Tensor
    uncertain: Tensor

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.matrix, self.halves, self.uncertain

    def __getitem__(self, rows: Tensor | slice) -> "EncodedVectors":
        if isinstance(rows, slice):
            return EncodedVectors(*(part[rows] for part in self._parts))
        return EncodedVectors(
            *(part.index_select(0, rows) for part in self._parts)
        )  # several times as fast as to index

    def blank(self, count: int) -> "EncodedVectors":
        """Room for ``count`` vectors of the same encoding."""
        return EncodedVectors(*(part.new_empty(count, *part.shape[1:]) for part in self._parts))

    def put(self, rows: slice, vectors: "EncodedVectors") -> None:
        """Write ``vectors`` into these ``rows``."""
        for part, other in zip(self._parts, vectors._parts, strict=True):
            part[rows] = other

    def padded(self, multiple: int) -> "EncodedVectors":
        """With as many vectors, far from everything, as it takes to the next multiple of rows."""
        more = -len(self) % multiple
        if not more:
            return self
        far = FAR if self.halves.dtype == torch.int32 else torch.inf
        return EncodedVectors(
            torch.nn.functional.pad(self.matrix, (0, 0, 0, more)),
            torch.nn.functional.pad(self.halves, (0, more), value=far),
            torch.nn.functional.pad(self.uncertain, (0, more)),
        )


class Encoding(Protocol):
    """A way to encode vectors, and what its products say about distances."""

    def encode(self, vectors: Tensor) -> EncodedVectors:
        """The vectors float32 (n, D), encoded."""
        ...

    def limits(self, left: EncodedVectors, farthest: Tensor, distance: Tensor) -> Tensor:
        """A limit of each x of ``left`` such that ‖x − c‖ ≤ distance(x) ⟹ p(x, c) ≤ limit(x).

        It holds for every c whose ``uncertain`` is at most ``farthest``. ``distance`` is float64 (n,); the limits have
        the products' type (n,).
        """
        ...


def in_parts(encode: Callable[[Tensor], EncodedVectors], vectors: Tensor, size: int) -> EncodedVectors:
    """``encode(vectors)``, computed for ``size`` vectors at a time, which stay in the processor's cache."""
    first = encode(vectors[:size])
    whole = first.blank(len(vectors))  # to collect the parts would leave holes in memory as large as themselves
    whole.put(slice(0, size), first)
    for at in range(size, len(vectors), size):
        whole.put(slice(at, at + size), encode(vectors[at : at + size]))
    return whole
