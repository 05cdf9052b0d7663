"""Encodings: whatever a product of encoded vectors rules out is truly farther away."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors.exact import codes as codes_module
from adtrack.detectors.exact.choice import encoded_at_least_cost
from adtrack.detectors.exact.codes import Codes, RandomRotation
from adtrack.detectors.exact.encoding import Encoding
from adtrack.detectors.exact.floats import Floats
from adtrack.detectors.exact.plan import SearchPlan


def normal(rows: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, dimensions, generator=torch.Generator().manual_seed(seed))


SETS = {
    "normal": (normal(300, 40), normal(50, 40, seed=1)),
    "one dimension": (normal(300, 1), normal(50, 1, seed=1)),
    "many dimensions": (normal(60, 1500), normal(20, 1500, seed=1)),
    "clusters": (normal(5, 24).repeat(60, 1) + 1e-3 * normal(300, 24), normal(5, 24) + 1e-3 * normal(5, 24, seed=1)),
    "far from the origin": (normal(300, 16) + 1000, normal(50, 16, seed=1) + 1000),
    "one outlier": (torch.cat([normal(300, 16), torch.full((1, 16), 1e4)]), normal(50, 16, seed=1)),
    "far queries": (normal(300, 16), normal(50, 16, seed=1) + 100),
    "constant": (torch.full((70, 3), 0.1), torch.full((4, 3), 0.1)),
    "tiny numbers": (normal(300, 16) * 1e-12, normal(50, 16, seed=1) * 1e-12),
    "numbers without squares": (normal(300, 16) * 1e-21, normal(50, 16, seed=1) * 1e-21),
    "numbers of few digits": (normal(300, 16) * 1e-43, normal(50, 16, seed=1) * 1e-43),
}
KINDS = {
    "codes": Codes.of,
    "floats": lambda vectors: Floats(vectors.mean(dim=0)),
    "principal": lambda vectors: encoded_at_least_cost(vectors, SearchPlan(encoding="principal"))[0],
    "principal codes": lambda vectors: encoded_at_least_cost(vectors, SearchPlan(encoding="principal codes"))[0],
    "few codes": lambda vectors: encoded_at_least_cost(vectors, SearchPlan(encoding="principal codes", directions=3))[
        0
    ],
}


def true_distances(left: Tensor, right: Tensor) -> np.ndarray:
    return np.sqrt(((left.double().numpy()[:, None] - right.double().numpy()[None]) ** 2).sum(axis=2))


def products(kind: Encoding, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """What the tile machinery compares: products (n, m), and per row the limit for its true nearest's distance."""
    x, c = kind.encode(left), kind.encode(right)
    found = c.halves.double()[None] - x.matrix.double() @ c.matrix.double().T
    return found, x, c


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nearness", [0.0, 0.5, 1.0])
def test_no_vector_within_the_distance_is_ruled_out(name: str, kind: str, nearness: float) -> None:
    right, left = SETS[name]
    coder = KINDS[kind](right)
    found, x, c = products(coder, left, right)
    true = torch.from_numpy(true_distances(left, right))
    within = torch.quantile(true, nearness, dim=1)
    limit = coder.limits(x, c.uncertain.max().double(), within).double()
    assert bool(((found <= limit[:, None]) | (true > within[:, None])).all())


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("nearness", [0, 7, -1])
def test_no_vector_nearer_than_another_has_a_product_beyond_what_is_alike(name: str, nearness: int) -> None:
    right, left = SETS[name]
    floats = Floats(right.mean(dim=0))
    x, c = floats.encode(left), floats.encode(right)
    computed = torch.addmm(c.halves, x.matrix, c.matrix.T, alpha=-1.0)
    true = torch.from_numpy(true_distances(left, right))
    one = true.argsort(dim=1)[:, nearness % len(right) : nearness % len(right) + 1]
    limit = floats.alike(x.uncertain[:, None], c.uncertain[one], computed.gather(1, one))
    assert bool(((computed <= limit) | (true > true.gather(1, one))).all())
    if name == "normal":  # and hardly more than these
        assert (computed <= limit).sum(dim=1).tolist() == [nearness % len(right) + 1] * len(left)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "few codes"])
def test_most_vectors_beyond_the_distance_are_ruled_out(kind: str) -> None:
    right, left = SETS["normal"]
    coder = KINDS[kind](right)
    found, x, c = products(coder, left, right)
    true = torch.from_numpy(true_distances(left, right))
    limit = coder.limits(x, c.uncertain.max().double(), true.amin(dim=1)).double()
    # Normal vectors vary in all directions alike: those that principal coordinates leave out are missed most here.
    few = {"codes": 2, "floats": 2, "principal": 5, "principal codes": 5}[kind]
    assert 1 <= float((found <= limit[:, None]).sum(dim=1).double().mean()) < few


@pytest.mark.parametrize("dimensions", [1, 64, 1040, 1041, 3000])
def test_products_of_codes_are_exact_in_float32_too(dimensions: int) -> None:
    top = codes_module.largest_code(dimensions)
    assert 1 <= top <= 127 and top * top * dimensions <= 2**24
    assert top == 127 or (top + 1) ** 2 * dimensions > 2**24


def test_what_codes_move_a_vector_by_is_no_more_than_they_say() -> None:
    right, left = SETS["far queries"]  # their codes are cut off: the largest stands for all that is beyond
    codes = Codes.of(right)
    encoded = codes.encode(left)
    in_doubles = RandomRotation(codes._rotation.down.double(), codes._rotation.across.double())
    turned = in_doubles(left.double() - codes._centre.double())
    moved = (turned - encoded.matrix.double() * codes._step).norm(dim=1)
    assert bool((moved <= encoded.uncertain.double()).all()) and bool((encoded.uncertain < moved * 1.01).all())


@pytest.mark.parametrize(("dimensions", "rows"), [(48, 6), (7, 1), (1, 1), (4, 2)])
def test_the_rotation_keeps_lengths_and_is_always_the_same(dimensions: int, rows: int) -> None:
    rotation, every = RandomRotation.of(dimensions, torch.device("cpu")), torch.eye(dimensions)
    matrix = rotation(every)
    assert len(rotation.down) == rows and len(rotation.across) == dimensions // rows
    assert (matrix.double().T @ matrix.double() - every).abs().max() < 1e-6
    codes_module._orthonormal.cache_clear()
    assert RandomRotation.of(dimensions, torch.device("cpu"))(every).equal(matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_beyond_every_limit(kind: str) -> None:
    right, left = SETS["normal"]
    coder = KINDS[kind](right)
    x, c = coder.encode(left), coder.encode(right[:5]).padded(64)
    anywhere = torch.full((len(left),), 1e30, dtype=torch.float64)
    limit = coder.limits(x, c.uncertain.max().double(), anywhere)
    assert len(c) == 64 and c.padded(64) is c
    assert bool(((c.halves[5:].double()[None] - 0) > limit.double()[:, None].clamp(max=2.0**29)).all())
