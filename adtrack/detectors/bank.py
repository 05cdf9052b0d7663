"""The memory bank: patches of good parts, and the exact nearest of them to any patch."""

import hashlib
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import UserError
from ..features.precision import full_precision
from .exact.distance import check_vectors
from .exact.plan import USUAL, SearchPlan
from .exact.search import Search


class MemoryBank:
    """Patches float32 (M, D) that can be asked for the nearest of them to any queries."""

    def __init__(self, patches: Tensor, plan: SearchPlan = USUAL) -> None:
        if patches.ndim != 2 or 0 in patches.shape:
            raise UserError(f"bank must have shape (patches, dimensions), but got {tuple(patches.shape)}.")
        check_vectors("bank patches", patches)
        self.patches = patches.float().contiguous()
        self.plan = plan

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def megabytes(self) -> float:
        """The size of the patches in MB (10⁶ bytes)."""
        return self.patches.numel() * 4 / 1e6

    @cached_property
    def _search(self) -> Search:
        return Search(self.patches, self.plan)

    @cached_property
    def sha256(self) -> str:
        """A digest of the patches, in hexadecimal."""
        return hashlib.sha256(self.patches.cpu().numpy().tobytes()).hexdigest()

    @full_precision
    def nearest(self, queries: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """Euclidean distances float32 (N, k), ascending, and rows int64 (N, k) of the k nearest bank patches.

        ``queries`` is float32 (N, D). Of equal distances the lowest row comes first.
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
        return self._search.nearest(queries.float(), k)

    @full_precision
    def first_bounds(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """A row int64 (N,) that is near each of ``queries`` float32 (N, D), and a bound float32 (N,) that the distance
        to it does not exceed. It costs a small part of ``nearest``."""
        check_vectors("queries", queries)
        return self._search.first_bounds(queries, self.plan.first_rows)

    @full_precision
    def nearer(self, queries: Tensor, rows: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Distances float32 (N,) and rows int64 (N,) of the nearest patches among those from ``start`` up to ``stop``
        and each query's own one of ``rows``; see ``nearest``. Some others may be among them."""
        distances, nearest = self._search.nearer(queries, rows, start, stop)
        return distances.float(), nearest

    def around(self, rows: Tensor, k: int) -> Tensor:
        """Rows int64 (n, k) of the k patches nearest to each of the bank's own ``rows`` int64 (n,), itself included."""
        return self.nearest(self.patches[rows], k)[1]

    def to(self, device: torch.device) -> "MemoryBank":
        """The same bank on another device."""
        return MemoryBank(self.patches.to(device), self.plan)

    def save(self, folder: Path) -> None:
        """Write ``bank.safetensors`` into ``folder``, which is made if need be."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"patches": self.patches.cpu()}, folder / "bank.safetensors")

    @classmethod
    def load(cls, folder: Path) -> "MemoryBank":
        """Read what ``save`` wrote. UserError if it is damaged."""
        file = Path(folder) / "bank.safetensors"
        try:
            return cls(load_file(file)["patches"])
        except UserError:
            raise
        except Exception as error:  # whatever a parser makes of hostile bytes, the file is not usable
            raise UserError(f"bank must be a readable safetensors file, but {file} is not ({error}).") from error
