"""PatchCore's graph where numbers are special: zeros, ties, hardly any rows, and tables in pieces."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors import nearest_graph
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.patch_space import unit_vectors
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_graph import neighbours
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.grids import Grid

GRIDS = {"a": Grid(0.0, 8.0)}


def detector(rows: Tensor, **fields: object) -> PatchCore:
    """Patches are the cells of layer ``a`` as they are, or their directions."""
    spec = PatchCoreSpec(**{"layers": ("a",), "patch_size": 1, "coreset_fraction": 1.0, **fields})
    if spec.distance == "cosine":
        rows = unit_vectors(rows[None, None])[0, 0]
    return PatchCore(spec, MemoryBank(rows), GRIDS)


def check(scorer: PatchCore, output: Tensor, rtol: float = 1e-5) -> float:
    """The graph finds what the detector finds, and the score."""
    scores = scorer.score({"a": output})
    assert scores.patches is not None
    score, cells = scorer.graph()({"a": output})
    assert cells is not None
    np.testing.assert_allclose(cells, scores.patches, rtol=rtol)
    np.testing.assert_allclose(score, scores.image, rtol=rtol)
    return float(score[0])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("rows", [1, 2, 9, 40])
@pytest.mark.parametrize("b", [1, 2, 9])
def test_banks_may_have_fewer_rows_than_neighbours(rows: int, b: int, distance: str) -> None:
    # The difference of unit vectors loses digits where they are close together, and its square twice as many.
    check(detector(normal(rows, 5, seed=1), reweight_neighbours=b, distance=distance), normal(1, 5, 4, 4), 1e-4)


def test_patches_of_the_bank_are_at_a_distance_of_zero() -> None:
    output = normal(1, 5, 3, 3) + 100
    rows = output[0].flatten(1).T.contiguous()
    assert check(detector(rows), output) == 0
    score, cells = detector(rows, distance="cosine").graph()({"a": output})
    assert cells is not None and 0 <= cells.max() < 1e-12 and 0 <= score < 1e-12


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_flat_image_has_a_score(distance: str, value: float) -> None:
    output = torch.full((1, 5, 4, 4), value)
    assert check(detector(normal(12, 5), distance=distance), output) > 0
    score, _ = detector(torch.full((12, 5), value), distance=distance).graph()({"a": output})
    assert 0 <= score < 1e-12


def test_equal_rows_are_neighbours_of_each_other() -> None:
    """More of them than equation 7 takes: then the row itself may not be among those that it takes."""
    bank = MemoryBank(torch.cat([normal(1, 5).expand(6, 5), normal(8, 5, seed=1)]))
    others = neighbours(bank, 3)
    assert others.shape == (14, 2) and not (others == torch.arange(14)[:, None]).any()
    assert (others[:6] < 6).all()
    check(detector(bank.patches, reweight_neighbours=3), normal(1, 5, 4, 4, seed=2))
    assert check(detector(bank.patches[:6], reweight_neighbours=3), normal(1, 5, 4, 4, seed=2)) > 0


def test_patches_that_are_long_and_close_together_lose_no_digits() -> None:
    check(detector(1000 + normal(50, 5)), 1000 + normal(1, 5, 6, 6, seed=1), 1e-3)


def test_the_table_of_distances_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, output = detector(normal(30, 5)), normal(1, 5, 6, 6, seed=1)
    monkeypatch.setattr(nearest_graph, "_NUMBERS", 30 * 7)
    check(scorer, output)
    monkeypatch.setattr(nearest_graph, "_NUMBERS", 1)
    check(scorer, output)


LAYERS = {"a": (5, 12), "b": (7, 6), "c": (4, 6), "d": (3, 12)}  # channels and cells along each side
STRIDES = {"a": 8.0, "b": 16.0, "c": 16.0, "d": 8.0}


@pytest.mark.parametrize("layers", [("a", "b"), ("b", "a"), ("b", "c", "d"), ("a", "d")])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("given", [{}, {"distance": "cosine"}, {"standardise": 0.5}])
def test_products_are_read_between_the_cells_of_coarser_layers(
    layers: tuple[str, ...], stride: int, given: dict[str, object]
) -> None:
    fields = {"layers": layers, "patch_size": 3, "coreset_fraction": 1.0, "stride": stride, **given}
    grids = {layer: Grid(1.0, STRIDES[layer]) for layer in layers}
    rows = normal(70, sum(LAYERS[layer][0] for layer in layers), seed=1)
    if "distance" in given:
        rows = unit_vectors(rows[None, None])[0, 0]
    scorer = PatchCore(PatchCoreSpec(**fields), MemoryBank(rows), grids)
    outputs = {
        layer: 3 + normal(1, channels, side, side, seed=place)
        for place, (layer, (channels, side)) in enumerate(LAYERS.items())
    }
    scores = scorer.score(outputs)
    graph = scorer.graph()
    assert graph.patches.are_read == ("distance" not in given)
    score, cells = graph(outputs)
    np.testing.assert_allclose(cells, scores.patches, rtol=1e-5)
    np.testing.assert_allclose(score, scores.image, rtol=1e-5)
    patches, _, read = graph.patches(outputs)
    apart, nearest = graph.nearest(patches)
    assert torch.equal(apart, graph.nearest(patches, read if graph.patches.are_read else ())[0])
    assert torch.equal(nearest, torch.cdist(patches.double(), rows.double()).argmin(dim=1))
