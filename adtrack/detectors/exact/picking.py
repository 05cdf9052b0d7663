"""What is picked out of large tables: numbers within a limit, and products of chosen pairs alone.

On the CPU these are several times as fast as their plain forms.
"""

import warnings
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def places_within(values: Tensor, limits: Tensor) -> Tensor:
    """The flat places int64, ascending, where ``values`` (n, m) are at most the limit (n,) of their row."""
    if values.is_cuda:
        return (values <= limits[:, None]).flatten().nonzero().squeeze(1)
    return torch.from_numpy(np.flatnonzero(values.numpy() <= limits.numpy()[:, None]))


def pair_products(left: Tensor, rows: Tensor, right: Tensor, others: Tensor) -> Tensor:
    """The float32 products of ``left[rows]`` and ``right[others]``, pair by pair: (p,). On the CPU only.

    ``left`` and ``right`` are float32 (n, D) and (m, D), ``rows`` and ``others`` int64 (p,). The rows ascend, and so do
    the others of each. No vector is copied.
    """
    starts = torch.zeros(len(left) + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(rows, minlength=len(left)), 0, out=starts[1:])
    _announce()
    wanted = torch.sparse_csr_tensor(
        starts, others, torch.zeros(len(others)), (len(left), len(right)), check_invariants=False
    )
    products: Tensor = torch.sparse.sampled_addmm(wanted, left, right.T, beta=0.0).values()
    return products


@lru_cache(maxsize=1)
def _announce() -> None:
    """Let torch say here, unheard, what it says once of its sparse tensors: that they may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        none = torch.zeros(0, dtype=torch.int64)
        torch.sparse_csr_tensor(none.new_zeros(1), none, none, (0, 1), check_invariants=False)
