"""Which encoding tells vectors apart at the least cost.

Products of few numbers are cheap, but leave more pairs to be looked at one by one. How many is seen in a sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .codes import Codes, fast_bytes
from .encoding import LOST, EncodedVectors, Encoding
from .floats import Floats
from .plan import SearchPlan
from .principal import Principal

# Times, in that of a product of two bytes on a processor that is fast at them.
_FLOAT = 5.0  # a product of two float32 numbers
_PAIR = 60_000.0  # to pick out a pair that looks near …
_NUMBER = 100.0  # … and to look closer at each of its numbers
_TURN = 5.0  # a product of two float32 numbers while a query is encoded; one of float64 takes twice as long

_STEP = 16  # so many directions more are tried
_TURNS = 2  # that bring any directions close to the principal ones
_FARTHER = 1.08  # so many times as far from them as they are from each other are queries
_BLUR = 1 / 140  # how far codes move a vector, as a part of the greatest length


def encoded_at_least_cost(vectors: Tensor, plan: SearchPlan) -> tuple[Encoding, EncodedVectors]:
    """The encoding that tells vectors like these float32 (n, D) apart at the least cost, unless the plan names one; and
    the vectors in it."""
    if plan.encoding == "codes":
        return _codes(vectors, plan)
    sample = _Sample.of(vectors, plan)
    fastest = plan.encoding == "fastest"
    if plan.encoding == "principal codes" or (fastest and vectors.device.type == "cpu" and fast_bytes()):
        cost, count = min(sample.costs(1.0, _BLUR))
        if fastest and sample.cost_of_all(1.0, _BLUR) < cost:
            return _codes(vectors, plan)
        return Principal.codes(sample.centre, sample.first(count), vectors, plan.encoded_at_once)
    cost, count = min(sample.costs(_FLOAT, 0.0))
    if fastest and sample.cost_of_all(_FLOAT, 0.0) < cost:
        floats = Floats(vectors.mean(dim=0))
        return floats, floats.encode(vectors)
    principal = Principal.floats(sample.centre, sample.first(count), plan.encoded_at_once)
    return principal, principal.encode(vectors)


def _codes(vectors: Tensor, plan: SearchPlan) -> tuple[Codes, EncodedVectors]:
    codes = Codes.of(vectors, plan.encoded_at_once)
    return codes, codes.encode(vectors)


@dataclass(frozen=True)
class _Sample:
    """Some n of ``total`` vectors, from their ``centre`` float64 (D,).

    ``directions`` float32 (D, k) are the principal ones, ``along`` (n, k) the vectors' coordinates, and ``lengths``
    (n,) their lengths. ``apart`` (a, n) holds the distances of the first a to all, infinite to themselves.
    """

    total: int
    centre: Tensor
    directions: Tensor
    along: Tensor
    lengths: Tensor
    apart: Tensor

    @classmethod
    def of(cls, vectors: Tensor, plan: SearchPlan) -> "_Sample":
        chosen = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))[: plan.sample]
        some = vectors[chosen.to(vectors.device)].double()
        centre = some.mean(dim=0)
        centred = (some - centre).float()
        centred /= centred.abs().max().clamp(min=LOST)  # so that there are float32 numbers for the squares
        directions, along = _principal(centred, plan.directions)
        apart = torch.cdist(centred[: plan.asked], centred).fill_diagonal_(torch.inf)
        return cls(len(vectors), centre, directions, along, torch.linalg.vector_norm(centred, dim=1), apart)

    def first(self, count: int) -> Tensor:
        """The first ``count`` directions, orthonormal in float64: (D, count)."""
        orthonormal: Tensor = torch.linalg.qr(self.directions[:, :count].double())[0]
        return orthonormal.contiguous()

    def costs(self, product: float, blur: float) -> Iterator[tuple[float, int]]:
        """What it costs to compare two vectors along the first directions, for several numbers of them.

        ``product`` is the cost of a product, and ``blur`` how far vectors are moved, as a part of the greatest length.
        """
        asked, most = len(self.apart), self.along.shape[1]
        apart, rest = torch.zeros_like(self.apart), self.lengths.square()
        known = 0
        for count in (*range(_STEP - 1, most, _STEP), most):
            more = self.along[:, known:count]
            apart += torch.cdist(more[:asked], more).square()
            rest = (rest - more.square().sum(dim=1)).clamp(min=0)
            beside = rest.sqrt()
            bounds = (apart + (beside[:asked, None] - beside).square()).fill_diagonal_(torch.inf).sqrt()
            encoded = 2 * _TURN * len(self.centre) * count / self.total
            yield product * (count + 1) + self._looked_at(bounds, blur) + encoded, count
            known = count

    def cost_of_all(self, product: float, blur: float) -> float:
        """What it costs to compare two vectors along all directions."""
        dimensions = len(self.centre)
        encoded = _TURN * dimensions**2 / self.total
        return product * dimensions + self._looked_at(self.apart, blur) + encoded

    def _looked_at(self, bounds: Tensor, blur: float) -> float:
        """What it costs to look at the pairs that may be nearest by the ``bounds`` (a, n) of their distances."""
        reach = _FARTHER * self.apart.amin(dim=1, keepdim=True) + 2 * blur * self.lengths.max()
        return float((bounds <= reach).float().mean()) * (_PAIR + _NUMBER * len(self.centre))


def _principal(vectors: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The directions float32 (D, k) in which vectors float32 (n, D) vary most, those of most variance first, and the
    vectors' coordinates (n, k) along them. There are ``most`` directions, if not all D."""
    dimensions = vectors.shape[1]
    if dimensions <= most:
        some = torch.eye(dimensions, device=vectors.device)
    else:
        draws = torch.randn(dimensions, most, generator=torch.Generator().manual_seed(0))
        some = draws.to(vectors.device)
        for _ in range(_TURNS):
            some = torch.linalg.qr(vectors.T @ (vectors @ some))[0]
    along = vectors @ some
    turn = torch.linalg.eigh((along.T @ along).double())[1].flip(1).float()
    return some @ turn, along @ turn
