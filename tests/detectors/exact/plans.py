"""Plans whose pieces are small, so that a few rows go through everything that many rows go through; and a counter."""

from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor

from adtrack.detectors.exact import search
from adtrack.detectors.exact.distance import pair_distances
from adtrack.detectors.exact.plan import SearchPlan

SMALL = SearchPlan(
    encoded_at_once=7,
    sample=20,
    asked=5,
    directions=9,
    tile=(16, 24),
    block=3,
    crowd=5,
    pairs=40,
    queries=9,
    products=64,
    numbers=40,
    bounded=5,
    first_rows=2,
    goals=(4, 2),
    leaders=1,
    remembered=2,
    threshold_sample=20,
    sample_above=3,
    rows=16,
    centres=12,
    active=9,
    steps=4,
)
# Each encoding, whatever this machine would choose by itself.
PLANS = {
    "codes, small": replace(SMALL, encoding="codes"),
    "principal, small": replace(SMALL, encoding="principal"),
    "principal codes, small": replace(SMALL, encoding="principal codes"),
    "principal": SearchPlan(encoding="principal"),
}


def count_pairs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each call from now on, of how many pairs a search computes the distances."""
    counts = []

    def counted(left: Tensor, rows: Tensor, *others: Tensor, **options: Any) -> Tensor:
        counts.append(len(rows))
        return pair_distances(left, rows, *others, **options)

    monkeypatch.setattr(search, "pair_distances", counted)
    return counts
