"""Principal coordinates: as many as it takes, lower bounds of distances, and chosen where they cost least.

That nothing is ruled out wrongly is tested with the other encodings, in ``test_encoding.py``.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors.exact import principal
from adtrack.detectors.exact.codes import Codes
from adtrack.detectors.exact.plan import USUAL, SearchPlan
from adtrack.detectors.exact.principal import Principal, encoding_of


def normal(rows: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, dimensions, generator=torch.Generator().manual_seed(seed))


def like_features(rows: int, dimensions: int, strong: int = 20, seed: int = 0) -> Tensor:
    """Vectors that vary along few directions, and a little along all."""
    return normal(rows, strong, seed) @ normal(strong, dimensions, seed=9) + 0.1 * normal(rows, dimensions, seed + 1)


def coordinates(vectors: Tensor) -> Principal:
    return Principal.of(vectors, USUAL)


def test_coordinates_are_those_of_a_singular_value_decomposition() -> None:
    vectors = like_features(600, 60)
    found = coordinates(vectors)
    kept = found.dimensions - 1
    centred = vectors.double().numpy() - vectors.double().numpy().mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    along = centred @ directions[:kept].T
    matrix = found.encode(vectors).matrix.double().numpy()
    np.testing.assert_allclose(np.abs(matrix[:, :kept]), np.abs(along), atol=1e-4)
    rest = np.sqrt(np.square(centred).sum(axis=1) - np.square(along).sum(axis=1))
    np.testing.assert_allclose(matrix[:, kept], rest, atol=1e-4)
    left_over = np.append(np.square(sizes[::-1]).cumsum()[::-1], 0) / len(vectors)  # with none kept, with one, …
    nearest = np.sort(np.linalg.norm(centred[:, None] - centred[None], axis=2), axis=1)[:, 1]
    assert left_over[kept] <= principal.LEFT_OVER * np.quantile(nearest, 0.6) ** 2
    assert left_over[kept - 1] > principal.LEFT_OVER * np.quantile(nearest, 0.4) ** 2


def test_what_varies_along_few_directions_takes_few_numbers() -> None:
    assert coordinates(like_features(2000, 300)).dimensions in range(15, 40)
    assert coordinates(normal(2000, 30)).dimensions > 20
    assert coordinates(normal(50, 7).repeat(3, 1)).dimensions == 8  # of twins, nothing may be left over
    assert coordinates(torch.full((40, 5), 0.1)).dimensions == coordinates(normal(1, 5)).dimensions == 2
    assert coordinates(normal(30, 1)).dimensions == 2


def test_outliers_do_not_hide_how_close_the_others_are() -> None:
    crowd = 0.03 * normal(3000, 16)
    assert coordinates(torch.cat([crowd, 50 * normal(100, 16, seed=1)])).dimensions == 17


def test_encoded_vectors_are_no_farther_apart_than_the_vectors_and_nearly_as_far() -> None:
    vectors, others = like_features(300, 120), like_features(80, 120, seed=5)
    found = coordinates(vectors)
    x, c = found.encode(others), found.encode(vectors)
    true = torch.cdist(others.double(), vectors.double(), compute_mode="donot_use_mm_for_euclid_dist")
    apart = torch.cdist(x.matrix.double(), c.matrix.double(), compute_mode="donot_use_mm_for_euclid_dist")
    uncertain = x.uncertain.double()[:, None] + c.uncertain.double()[None]
    assert bool((apart <= true + uncertain).all()) and float(uncertain.max()) < 1e-5 * float(true.min())
    assert float((apart / true).median()) > 0.97


def test_the_sample_stands_for_all() -> None:
    vectors = like_features(3000, 100)
    some = Principal.of(vectors, SearchPlan(sample=500))
    assert abs(some.dimensions - coordinates(vectors).dimensions) <= 3


@pytest.mark.parametrize(("dimensions", "kind"), [(40, Codes), (400, Principal)])
def test_bytes_are_taken_where_they_cost_less(dimensions: int, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = like_features(500, dimensions)
    monkeypatch.setattr(principal, "fast_bytes", lambda: True)
    assert isinstance(encoding_of(vectors, USUAL), kind)
    monkeypatch.setattr(principal, "fast_bytes", lambda: False)
    assert isinstance(encoding_of(vectors, USUAL), Principal)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("name", "kind"), [("codes", Codes), ("principal", Principal)])
def test_a_plan_can_name_the_encoding(name: str, kind: type, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal, "fast_bytes", lambda: fast)
    for dimensions in (40, 400):
        assert isinstance(encoding_of(like_features(500, dimensions), SearchPlan(encoding=name)), kind)
