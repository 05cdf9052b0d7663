"""The memory bank: patches of good parts, and the exact nearest of them to any patch.

The search filters and then verifies. An orthonormal basis of the bank's main directions shortens every vector to a
few coordinates plus the length of what they leave out; distances between the short vectors never exceed the true
ones, so one small matrix product rules out nearly every row. Of those that remain, float32 differences leave the one or
two that rounding cannot tell apart, and float64 differences decide. Ties go to the lowest row: neither chunks, threads
nor the filter show in the result.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import UserError

_FILTER_DIMENSIONS = 128  # beside one coordinate for the rest; more verify less and multiply more
_SAMPLE = 4096  # bank rows that the basis is computed from
_TILE = 16_000_000  # entries of a distance matrix held at once
_DIFFERENCES = 2**18  # numbers of full-length differences held at once: they fit the processor's cache


class MemoryBank:
    """Patches float32 (M, D) that can be asked for the nearest of them to any queries."""

    def __init__(self, patches: Tensor) -> None:
        if patches.ndim != 2 or 0 in patches.shape:
            raise UserError(f"bank must have shape (patches, dimensions), but got {tuple(patches.shape)}.")
        if not bool(torch.isfinite(patches).all()):
            raise UserError("bank must hold finite numbers, but some are NaN or infinite.")
        self.patches = patches.float().contiguous()
        self._filter: _Filter | None = None

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def megabytes(self) -> float:
        """Size of the patches in MB (10⁶ bytes)."""
        return self.patches.numel() * 4 / 1e6

    def nearest(self, queries: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """Euclidean distances float32 (N, k), ascending, and rows int64 (N, k) of the k nearest bank patches.

        ``queries`` is float32 (N, D). Equal distances are ordered by row.
        """
        if queries.ndim != 2 or queries.shape[1] != self.patches.shape[1]:
            raise UserError(
                f"queries must have shape (N, {self.patches.shape[1]}) as the bank, but got {tuple(queries.shape)}."
            )
        if not 1 <= k <= len(self):
            raise UserError(f"k must be between 1 and the bank's {len(self)} rows, but got {k}.")
        if not bool(torch.isfinite(queries).all()):
            raise UserError("queries must be finite numbers, but some are NaN or infinite.")
        if self._filter is None:
            self._filter = _Filter(self.patches)
        queries = queries.float()
        found = [self._nearest(part, k) for part in queries.split(max(16, _TILE // len(self)))]
        distances, rows = (torch.cat(parts) for parts in zip(*found, strict=True)) if found else _nothing(queries, k)
        return distances, rows

    def _nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        below, slack = self._filter.lower_bounds(queries)
        guess = below.argmin(dim=1, keepdim=True) if k == 1 else below.topk(k, dim=1, largest=False).indices
        query = torch.arange(len(queries), device=queries.device).repeat_interleave(k)
        reach = self._squares(queries, query, guess.reshape(-1), torch.float64).reshape(-1, k).amax(dim=1)
        limit = reach.float() * (1 + 2**-20) + slack  # the k nearest are no farther than any k rows
        query, row = (below <= limit[:, None]).nonzero(as_tuple=True)
        rough = self._squares(queries, query, row, torch.float32)
        sure = (rough.double() * (1 - (queries.shape[1] + 4) * 2.0**-24) <= reach[query]).nonzero().squeeze(1)
        query, row = query[sure], row[sure]
        return _first(k, len(queries), query, row, self._squares(queries, query, row, torch.float64))

    def _squares(self, queries: Tensor, query: Tensor, row: Tensor, dtype: torch.dtype) -> Tensor:
        """Squared distances of pairs (query, row), summed in ``dtype``."""
        size = max(1, _DIFFERENCES // queries.shape[1])
        parts = []
        for q, r in zip(query.split(size), row.split(size), strict=True):
            parts.append((queries[q].to(dtype) - self.patches[r].to(dtype)).square_().sum(dim=1))
        return torch.cat(parts) if parts else torch.empty(0, dtype=dtype, device=queries.device)

    def to(self, device: torch.device) -> "MemoryBank":
        """The same bank on another device."""
        return MemoryBank(self.patches.to(device))

    def save(self, folder: Path) -> None:
        """Write ``bank.safetensors`` into ``folder``, which is made if need be."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"patches": self.patches.cpu()}, folder / "bank.safetensors")

    @classmethod
    def load(cls, folder: Path) -> "MemoryBank":
        """Read what ``save`` wrote."""
        file = Path(folder) / "bank.safetensors"
        try:
            return cls(load_file(file)["patches"])
        except UserError:
            raise
        except Exception as error:  # whatever a parser makes of hostile bytes, the file is not usable
            raise UserError(f"bank must be a readable safetensors file, but {file} is not ({error}).") from error


class _Filter:
    """Lower bounds of distances from a few coordinates: ‖Bᵀ(q−m)‖² + (‖q⊥‖−‖m⊥‖)² ≤ ‖q−m‖² for orthonormal B."""

    def __init__(self, patches: Tensor) -> None:
        self.centre = patches.mean(dim=0)
        sample = patches[:: max(1, len(patches) // _SAMPLE)][:_SAMPLE] - self.centre
        dimensions = patches.shape[1]
        self.basis = None
        if dimensions >= 2 * _FILTER_DIMENSIONS:
            covariance = sample.T @ sample
            # Any orthonormal basis gives true bounds; the one of the largest variance gives tight ones.
            _, vectors = torch.linalg.eigh(covariance)
            self.basis, _ = torch.linalg.qr(vectors[:, -_FILTER_DIMENSIONS:].double())
        self.short, self.squares = self._shorten(patches)
        self.reach = self.squares.max().sqrt()

    def _shorten(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        centred = vectors - self.centre
        if self.basis is None:
            return centred, centred.double().square().sum(dim=1).float()
        parts = []
        for part in centred.split(8192):
            exact = part.double()
            main = exact @ self.basis
            rest = (exact.square().sum(dim=1) - main.square().sum(dim=1)).clamp_min_(0).sqrt_()
            parts.append(torch.cat([main, rest[:, None]], dim=1).float())
        short = torch.cat(parts)
        return short, short.double().square().sum(dim=1).float()

    def lower_bounds(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (N, M) squared lower bounds and float32 (N,) by how much rounding may have raised them."""
        short, squares = self._shorten(queries)
        bounds = torch.addmm(self.squares, short, self.short.T, alpha=-2.0)
        bounds += squares[:, None]
        # The product's error bound, as in coreset.py, with room for the rounding of the short vectors themselves.
        slack = (short.shape[1] / 2 + 32) * 2.0**-24 * (squares.sqrt() + self.reach).square()
        return bounds, slack


def _first(k: int, count: int, query: Tensor, row: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """The k smallest pairs of every query, ordered by distance and row."""
    by_distance = torch.argsort(squares, stable=True)  # pairs come ordered by row, and stay so among equals
    order = by_distance[torch.argsort(query[by_distance], stable=True)]
    starts = torch.searchsorted(query[order].contiguous(), torch.arange(count, device=query.device))
    picked = order[starts[:, None] + torch.arange(k, device=query.device)]
    return squares[picked].sqrt().float(), row[picked]


def _nothing(queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    return queries.new_empty(0, k), torch.empty(0, k, dtype=torch.int64, device=queries.device)
