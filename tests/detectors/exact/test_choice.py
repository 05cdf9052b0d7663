"""The choice of an encoding: few numbers where vectors vary along few directions, and bytes where they are fast."""

import pytest
import torch
from torch import Tensor

from adtrack.detectors.exact import choice
from adtrack.detectors.exact.choice import encoded_at_least_cost
from adtrack.detectors.exact.codes import Codes
from adtrack.detectors.exact.encoding import Encoding
from adtrack.detectors.exact.floats import Floats
from adtrack.detectors.exact.plan import USUAL, SearchPlan
from adtrack.detectors.exact.principal import Principal

from .test_principal import like_features, normal

FLOATS = SearchPlan(encoding="principal")


def chosen(vectors: Tensor, plan: SearchPlan) -> Encoding:
    """The encoding that is chosen; what it makes of the vectors comes with it."""
    encoding, encoded = encoded_at_least_cost(vectors, plan)
    assert encoded.matrix.equal(encoding.encode(vectors).matrix)
    return encoding


def dimensions(vectors: Tensor, plan: SearchPlan = FLOATS) -> int:
    encoding = chosen(vectors, plan)
    assert isinstance(encoding, Principal)
    return encoding.dimensions


def test_what_varies_along_few_directions_takes_few_numbers() -> None:
    assert dimensions(like_features(2000, 300)) == 32
    assert dimensions(normal(20000, 300)) == 257  # at most so many directions are looked for
    assert dimensions(torch.full((40, 5), 0.1)) == dimensions(normal(1, 5)) == 6
    assert dimensions(normal(30, 1)) == 2


@pytest.mark.parametrize("most", [40, 60])  # of 60 dimensions: those of most variance are found, or all there are
def test_the_directions_are_those_of_most_variance(most: int) -> None:
    vectors = like_features(3000, 60)
    _, sizes, expected = torch.linalg.svd(vectors.double() - vectors.double().mean(dim=0), full_matrices=False)
    sample = choice._Sample.of(vectors, SearchPlan(directions=most))
    found = sample.first(20)
    torch.testing.assert_close(found.T @ found, torch.eye(20, dtype=torch.float64))
    kept = (vectors.double() - sample.centre) @ found
    assert float(kept.square().sum()) == pytest.approx(float(sizes[:20].square().sum()), rel=1e-4)
    assert float((found.T @ expected[:20].T).square().sum()) == pytest.approx(20, rel=1e-3)  # the same subspace


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12])
def test_the_size_of_the_numbers_does_not_matter(scale: float) -> None:
    assert dimensions(like_features(500, 100) * scale) == dimensions(like_features(500, 100))


def test_bytes_are_taken_where_they_are_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    of_few, of_many = like_features(500, 400), normal(20000, 24)
    monkeypatch.setattr(choice, "fast_bytes", lambda: True)
    encoding = chosen(of_few, USUAL)
    assert isinstance(encoding, Principal) and encoding.encode(of_few).matrix.dtype == torch.int8
    assert isinstance(chosen(of_many, USUAL), Codes)  # there is nothing to leave out
    monkeypatch.setattr(choice, "fast_bytes", lambda: False)
    encoding = chosen(of_few, USUAL)
    assert isinstance(encoding, Principal) and encoding.encode(of_few).matrix.dtype == torch.float32
    of_many = normal(20000, 500)
    assert isinstance(chosen(of_many, USUAL), Floats) and isinstance(chosen(of_many, FLOATS), Principal)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("name", "kind", "numbers"),
    [
        ("codes", Codes, torch.int8),
        ("principal", Principal, torch.float32),
        ("principal codes", Principal, torch.int8),
    ],
)
def test_a_plan_can_name_the_encoding(
    name: str, kind: type, numbers: torch.dtype, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "fast_bytes", lambda: fast)
    for vectors in (like_features(500, 40), like_features(500, 400)):
        encoding = chosen(vectors, SearchPlan(encoding=name))
        assert isinstance(encoding, kind) and encoding.encode(vectors).matrix.dtype == numbers
