"""Vectors with whatever a comparison needs of them, each computed when it is first needed."""

from functools import cached_property

from torch import Tensor

from .choice import encoded_at_least_cost
from .encoding import EncodedVectors, Encoding
from .floats import Floats
from .plan import SearchPlan


class VectorTable:
    """Vectors float32 (n, D) that can be compared with others of the same encoding.

    They are all of ``vectors``, or its ``rows`` int64 (n,). The encoding and the encoded vectors can be given.
    """

    def __init__(
        self,
        vectors: Tensor,
        plan: SearchPlan,
        encoding: Encoding | None = None,
        encoded: EncodedVectors | None = None,
        rows: Tensor | None = None,
    ) -> None:
        self.plan = plan
        self._whole, self._rows = vectors, rows
        self._encoding, self._encoded = encoding, encoded

    def __len__(self) -> int:
        return len(self._whole if self._rows is None else self._rows)

    def __getitem__(self, rows: Tensor) -> "VectorTable":
        return VectorTable(self.vectors, self.plan, self.encoding, self.encoded[rows], rows)

    @cached_property
    def vectors(self) -> Tensor:
        """The vectors. Where only some rows are meant, they are gathered now; mostly the encoded ones will do."""
        return self._whole if self._rows is None else self._whole.index_select(0, self._rows)

    @cached_property
    def _chosen(self) -> tuple[Encoding, EncodedVectors]:
        return encoded_at_least_cost(self.vectors, self.plan)

    @property
    def encoding(self) -> Encoding:
        """The encoding that was given, else the one that suits these vectors."""
        return self._chosen[0] if self._encoding is None else self._encoding

    @cached_property
    def encoded(self) -> EncodedVectors:
        """The vectors in their encoding."""
        if self._encoded is not None:
            return self._encoded
        return self._chosen[1] if self._encoding is None else self._encoding.encode(self.vectors)

    @cached_property
    def padded(self) -> EncodedVectors:
        """The encoded vectors in whole blocks."""
        return self.encoded.padded(self.plan.block)

    @cached_property
    def floats(self) -> tuple[Floats, EncodedVectors]:
        """The vectors in float32, in whole blocks."""
        floats = Floats(self.vectors.mean(dim=0))
        return floats, floats.encode(self.vectors).padded(self.plan.block)

    @cached_property
    def doubles(self) -> tuple[Floats, EncodedVectors]:
        """The vectors in float64, in whole blocks, for rows that the other encodings leave too many others of."""
        doubles = Floats.doubles(self.vectors.mean(dim=0))
        return doubles, doubles.encode(self.vectors).padded(self.plan.block)
