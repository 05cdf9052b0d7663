"""The memory bank: patches of good parts, and the exact nearest of them to any patch.

The search rules out and then verifies: ``search.py`` names the few rows that can be nearest, float32 differences leave
the one or two that rounding cannot tell apart, and float64 differences decide. Ties go to the lowest row: neither
chunks, threads nor the ruling out show in the result.
"""

from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import UserError
from ..features.precision import full_precision
from .distance import check_vectors, least_of_each, nearest_pairs, pair_distances
from .distinct import Distinct
from .encoding import LOST, UNIT
from .search import Search

# Rows of a bank whose neighbours are all found at once: some hundredths of a second, and half a millisecond saved on
# every image from then on.
_LISTED = 2048


class MemoryBank:
    """Patches float32 (M, D) that can be asked for the nearest of them to any queries."""

    def __init__(self, patches: Tensor) -> None:
        if patches.ndim != 2 or 0 in patches.shape:
            raise UserError(f"bank must have shape (patches, dimensions), but got {tuple(patches.shape)}.")
        check_vectors("bank patches", patches)
        self.patches = patches.float().contiguous()
        self._lists: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def megabytes(self) -> float:
        """Size of the patches in MB (10⁶ bytes)."""
        return self.patches.numel() * 4 / 1e6

    @full_precision
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
        if not len(queries):
            return queries.new_empty(0, k), torch.empty(0, k, dtype=torch.int64, device=queries.device)
        check_vectors("queries", queries)
        parts = queries.float().split(self._search.at_once(k))
        found = [self._nearest(part, k) for part in parts]
        distances, rows = (torch.cat(parts) for parts in zip(*found, strict=True))
        return distances, rows

    def around(self, rows: Tensor, k: int) -> Tensor:
        """Rows int64 (n, k) of the k patches nearest to each of the bank's own ``rows`` int64 (n,), itself included."""
        if len(self) > _LISTED:
            return self.nearest(self.patches[rows], k)[1]
        if k not in self._lists:
            self._lists[k] = self.nearest(self.patches, k)[1]
        return self._lists[k][rows]

    @cached_property
    def distinct(self) -> Distinct:
        """The bank's different rows, which are all that a search has to look at."""
        return Distinct(self.patches)

    @cached_property
    def _search(self) -> Search:
        return Search(self.distinct.vectors)

    def _nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        def exact(query: Tensor, row: Tensor) -> Tensor:
            return pair_distances(queries, query, self.distinct.vectors, row)

        # The k nearest rows are among those that are equal to one of the k nearest different ones.
        query, row = self._search.candidates(queries, min(k, len(self.distinct)), exact)
        return self._decided(queries, k, query, self.distinct.lowest[row])

    def _decided(self, queries: Tensor, k: int, query: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """``nearest`` among the pairs of ``query`` and ``row``, which is the lowest of its equals."""
        if k == 1 and len(query) > 2 * len(queries):  # else the exact ones are as cheap
            query, row = self._nearly_nearest(queries, query, row)
        distances = pair_distances(queries, query, self.patches, row)
        if k == 1:
            kept = nearest_pairs(len(queries), query, row, distances)
            return distances[kept, None].float(), row[kept, None]
        several = _several(min(k, len(self.distinct)), len(queries), query, row, distances).flatten()
        place, row = self.distinct.twins(row[several], k)
        query, distances = query[several][place], distances[several][place]
        several = _several(k, len(queries), query, row, distances)
        return distances[several].float(), row[several]

    def _nearly_nearest(self, queries: Tensor, query: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs whose float32 distance may be their query's smallest: it is off by (D + 4) · 2⁻²⁴ of itself, and by
        what its squares may lose where they are no ordinary numbers."""
        rough = pair_distances(queries, query, self.patches, row, torch.float32).double()
        dimensions = queries.shape[1]
        error, lost = (dimensions + 4) * UNIT, 2 * (dimensions * LOST) ** 0.5
        nearest = least_of_each(len(queries), query, rough)
        sure = (rough * (1 - error) <= nearest[query] * (1 + error) + lost).nonzero().squeeze(1)
        return query[sure], row[sure]

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


def _several(k: int, count: int, query: Tensor, row: Tensor, distances: Tensor) -> Tensor:
    """Places int64 (count, k) of the k smallest pairs of every query, ordered by distance and row."""
    order = torch.argsort(row, stable=True)
    for by in (distances, query):
        order = order[torch.argsort(by[order], stable=True)]
    starts = torch.searchsorted(query[order].contiguous(), torch.arange(count, device=query.device))
    return order[starts[:, None] + torch.arange(k, device=query.device)]
