"""Different vectors: equal ones are found, only these, and named by their first row."""

import pytest
import torch
from torch import Tensor

from adtrack.detectors.exact import distinct
from adtrack.detectors.exact.distinct import Distinct


def drawn(rows: int, dimensions: int, values: int, seed: int = 0) -> Tensor:
    """Rows of so few values that some are equal."""
    return torch.randint(values, (rows, dimensions), generator=torch.Generator().manual_seed(seed)).float() / 7


def plain(vectors: Tensor) -> list[int]:
    """The first row that is equal to each."""
    rows = [tuple(row) for row in vectors.tolist()]
    return [rows.index(row) for row in rows]


CASES = {
    "all different": torch.randn(200, 5, generator=torch.Generator().manual_seed(1)),
    "some equal": drawn(300, 3, 5),
    "all equal": drawn(1, 384, 5).repeat(50, 1),
    "one dimension": drawn(100, 1, 9),
    "one row": drawn(1, 7, 3),
    "in turns": drawn(4, 6, 9).repeat(25, 1),
    "sums that differ in one bit": torch.tensor([[1.0, 0.0], [1.0, 1e-45], [1.0, 0.0], [1.0, -1e-45]]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunk", [1, 100, 2**16])
def test_every_row_knows_the_first_that_is_equal(name: str, chunk: int) -> None:
    vectors = CASES[name]
    firsts = plain(vectors)
    found = Distinct(vectors, chunk)
    assert found.lowest.tolist() == sorted(set(firsts)) and len(found) == len(set(firsts))
    assert found.vectors.equal(vectors[found.lowest])
    assert found.lowest[found.which(torch.arange(len(vectors)))].tolist() == firsts


def test_zeros_are_equal_whatever_their_sign() -> None:
    assert len(Distinct(torch.tensor([[0.0, 1.0], [-0.0, 1.0]]))) == 1


def test_without_twins_nothing_is_copied() -> None:
    assert Distinct(CASES["all different"]).vectors is CASES["all different"]


def test_different_rows_of_the_same_sum_stay_different(monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody could make them."""
    monkeypatch.setattr(distinct, "_sums", lambda vectors, size: torch.zeros(len(vectors), dtype=torch.int64))
    vectors = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [3.0, 4.0]])
    # The second row's twin is not known as one, which does no harm.
    assert Distinct(vectors).lowest.tolist() == [0, 1, 3]


@pytest.mark.parametrize("most", [1, 2, 5, 1000])
@pytest.mark.parametrize("name", CASES)
def test_twins_come_in_order_and_no_more_than_are_asked_for(name: str, most: int) -> None:
    vectors = CASES[name]
    firsts, found = plain(vectors), Distinct(vectors)
    asked = found.lowest.flip(0)[:7].repeat(2)
    place, rows = found.twins(asked, most)
    expected = [
        (at, row)
        for at, first in enumerate(asked.tolist())
        for row in [row for row, one in enumerate(firsts) if one == first][:most]
    ]
    assert list(zip(place.tolist(), rows.tolist(), strict=True)) == expected
