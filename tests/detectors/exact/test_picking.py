"""Picking: what the plain forms give."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adtrack.detectors.exact import picking
from adtrack.detectors.exact.picking import pair_products, places_within


@pytest.mark.parametrize("kind", [torch.int32, torch.float32])
@given(rows=st.integers(0, 6), columns=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_places_are_those_within_the_row_s_limit(kind: torch.dtype, rows: int, columns: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    values = torch.from_numpy(draws.integers(-3, 4, (rows, columns))).to(kind)
    limits = torch.from_numpy(draws.integers(-4, 5, rows)).to(kind)
    expected = [at for at, value in enumerate(values.flatten().tolist()) if value <= float(limits[at // columns])]
    found = places_within(values, limits)
    assert found.dtype == torch.int64 and found.tolist() == expected


@given(rows=st.integers(1, 6), others=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_products_are_those_of_the_pairs(rows: int, others: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    left, right = (torch.from_numpy(draws.integers(-9, 10, (n, 40))).float() for n in (rows, others))
    row, other = torch.from_numpy(draws.random((rows, others)) < 0.5).nonzero(as_tuple=True)  # some rows have none
    found = pair_products(left, row, right, other)
    assert found.equal((left[row] * right[other]).sum(dim=1))  # whole numbers: exact in any order


def test_nothing_is_said_of_sparse_tensors() -> None:
    picking._announce.cache_clear()
    one = torch.ones(1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pair_products(one, torch.tensor([0]), one, torch.tensor([0])).tolist() == [3.0]
