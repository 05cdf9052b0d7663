"""Principal coordinates: lower bounds of distances, as numbers and as codes.

That nothing is ruled out wrongly is tested with the other encodings, in ``test_encoding.py``.
"""

import numpy as np
import torch
from torch import Tensor

from adtrack.detectors.exact.principal import Principal


def normal(rows: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, dimensions, generator=torch.Generator().manual_seed(seed))


def like_features(rows: int, dimensions: int, strong: int = 20, seed: int = 0) -> Tensor:
    """Vectors that vary along few directions, and a little along all."""
    return normal(rows, strong, seed) @ normal(strong, dimensions, seed=9) + 0.1 * normal(rows, dimensions, seed + 1)


def along(vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Centre and principal directions of vectors, by singular values."""
    centre = vectors.double().mean(dim=0)
    directions = torch.linalg.svd(vectors.double() - centre, full_matrices=False)[2]
    return centre, directions[:count].T.contiguous()


def test_the_numbers_are_coordinates_and_the_length_of_the_rest() -> None:
    vectors = like_features(600, 60)
    centre, directions = along(vectors, 12)
    found = Principal.floats(centre, directions, 7)
    matrix = found.encode(vectors).matrix.double().numpy()
    centred = vectors.double().numpy() - centre.numpy()
    coordinates = centred @ directions.numpy()
    assert found.dimensions == 13
    np.testing.assert_allclose(matrix[:, :12], coordinates, atol=1e-4)
    rest = np.sqrt(np.square(centred).sum(axis=1) - np.square(coordinates).sum(axis=1))
    np.testing.assert_allclose(matrix[:, 12], rest, atol=1e-4)


def test_encoded_vectors_are_no_farther_apart_than_the_vectors_and_nearly_as_far() -> None:
    vectors, others = like_features(300, 120), like_features(80, 120, seed=5)
    found = Principal.floats(*along(vectors, 25), 64)
    x, c = found.encode(others), found.encode(vectors)
    true = torch.cdist(others.double(), vectors.double(), compute_mode="donot_use_mm_for_euclid_dist")
    apart = torch.cdist(x.matrix.double(), c.matrix.double(), compute_mode="donot_use_mm_for_euclid_dist")
    uncertain = x.uncertain.double()[:, None] + c.uncertain.double()[None]
    assert bool((apart <= true + uncertain).all()) and float(uncertain.max()) < 1e-5 * float(true.min())
    assert float((apart / true).median()) > 0.97


def test_codes_come_with_the_vectors_whose_range_they_have() -> None:
    vectors = like_features(300, 120)
    found, encoded = Principal.codes(*along(vectors, 25), vectors, 64)
    again = found.encode(vectors)
    assert encoded.matrix.equal(again.matrix) and encoded.halves.equal(again.halves)
    assert encoded.uncertain.equal(again.uncertain) and encoded.matrix.dtype == torch.int8
    assert encoded.matrix.shape == (300, 26) and int(encoded.matrix.abs().max()) == 127
