"""A search begun layer by layer: few pairs, among which are the nearest rows of whole patches, in whatever order."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.config import PatchCoreSpec
from adtrack.detectors import closeness, patchcore, search
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.early import EarlySearch, SharedRows
from adtrack.detectors.patchcore import PatchCore
from adtrack.errors import UserError
from adtrack.features.grids import Grid
from adtrack.features.patches import merge_layers

GRIDS = {"fine": Grid(0, 4), "also": Grid(1.5, 4), "middle": Grid(3.5, 8), "coarse": Grid(7.5, 16)}
SHAPES = {"fine": (5, 12, 10), "also": (4, 12, 10), "middle": (6, 6, 5), "coarse": (7, 3, 3)}
ORDERS = [
    ("fine",),
    ("fine", "coarse"),
    ("coarse", "fine"),
    ("fine", "middle", "coarse"),
    ("middle", "coarse", "fine"),
    ("fine", "also", "coarse"),
]


def image(seed: int, offset: float = 0.0) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return {layer: torch.randn(1, *shape, generator=draws) + offset for layer, shape in SHAPES.items()}


def patches_of(outputs: Mapping[str, Tensor], layers: tuple[str, ...], patch_size: int) -> Tensor:
    return merge_layers(outputs, layers, GRIDS, patch_size).flatten(0, 2)


def bank_of(layers: tuple[str, ...], patch_size: int, offset: float = 0.0) -> Tensor:
    """Every third patch of three images."""
    return torch.cat([patches_of(image(seed, offset), layers, patch_size) for seed in (1, 2, 3)])[::3]


def finished(
    bank: Tensor, layers: tuple[str, ...], patch_size: int, outputs: Mapping[str, Tensor], told: tuple[str, ...] = ()
) -> tuple[Tensor, search.Pairs | None]:
    early = EarlySearch(SharedRows(bank), layers, GRIDS, patch_size)
    for layer in told:
        early.take(layer, outputs[layer])
    return early.finish(outputs)


def check_nearest(bank: Tensor, queries: Tensor, pairs: search.Pairs) -> None:
    """All that are nearest, by float64 differences, are among the pairs, which are ordered."""
    distances = (queries.double()[:, None] - bank.double()).square().sum(dim=2)
    query, row = (distances == distances.amin(dim=1, keepdim=True)).nonzero(as_tuple=True)
    found = list(zip(*(part.tolist() for part in pairs), strict=True))
    assert found == sorted(set(found))
    assert set(zip(query.tolist(), row.tolist(), strict=True)) <= set(found)


@pytest.mark.parametrize("layers", ORDERS)
@pytest.mark.parametrize("patch_size", [1, 3])
@pytest.mark.parametrize(("offset", "most"), [(0.0, 1.05), (5.0, 1.2)])  # far from zero, rounding leaves more in doubt
def test_the_nearest_are_among_few_pairs(layers: tuple[str, ...], patch_size: int, offset: float, most: float) -> None:
    bank, outputs = bank_of(layers, patch_size, offset), image(9, offset)
    for told in ((), layers[:1], layers[:-1], layers[::-1]):
        patches, pairs = finished(bank, layers, patch_size, outputs, told)
        assert patches.equal(merge_layers(outputs, layers, GRIDS, patch_size))
        check_nearest(bank, patches.flatten(0, 2), pairs)
        assert len(pairs[0]) <= most * len(patches.flatten(0, 2))


def test_of_equal_rows_the_first_is_found() -> None:
    layers = ("fine", "coarse")
    outputs, once = image(2), bank_of(layers, 3)
    bank = torch.cat([once, once])
    patches, pairs = finished(bank, layers, 3, outputs, ("fine",))
    check_nearest(once, patches.flatten(0, 2), pairs)
    found = MemoryBank(bank).nearest(patches.flatten(0, 2), among=pairs)
    expected = MemoryBank(bank).nearest(patches.flatten(0, 2))
    assert all(one.equal(other) for one, other in zip(found, expected, strict=True))
    assert int(found[1].max()) < len(once) and float(found[0].min()) == 0.0  # the image is one of the bank's


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-21, 1e-19, 1e-12, 1e12, 1e15])
def test_lengths_of_any_size(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closeness, "CROWD", 1)  # all pairs are kept, even where squares vanish
    layers = ("fine", "middle", "coarse")
    bank, outputs = scale * bank_of(layers, 3), {layer: scale * output for layer, output in image(9).items()}
    patches, pairs = finished(bank, layers, 3, outputs, layers[:-1])
    check_nearest(bank, patches.flatten(0, 2), pairs)


@pytest.mark.parametrize("length", [1.0, 1e4])
def test_cells_that_cancel_where_they_are_read(length: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Halfway between cells of opposite signs a patch is short, but rounding is that of products with long cells."""
    monkeypatch.setattr(closeness, "CROWD", 1)
    draws, layers, halfway = torch.Generator().manual_seed(0), ("fine", "coarse"), Grid(8, 16)
    signs = (-1.0) ** (torch.arange(3)[:, None] + torch.arange(3))
    outputs = image(9) | {"coarse": image(9)["coarse"] + length * signs}
    grids = GRIDS | {"coarse": halfway}
    middle = merge_layers(outputs, layers, grids, 1)[0, 4, 4]  # at 16, between 8 and 24
    bank = middle + 1e-4 * torch.randn(200, 12, generator=draws)
    early = EarlySearch(SharedRows(bank), layers, grids, 1)
    early.take("fine", outputs["fine"])
    patches, pairs = early.finish(outputs)
    assert patches[0, 4, 4].equal(middle) and middle.norm() < 10
    check_nearest(bank, patches.flatten(0, 2), pairs)


def test_patches_far_from_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding is that of products with the long patches, much more than the rows themselves would have."""
    monkeypatch.setattr(closeness, "CROWD", 1)
    layers, draws = ("fine", "coarse"), torch.Generator().manual_seed(0)
    outputs = image(9) | {"fine": 1e4 * image(9)["fine"]}
    bank = 2 + 1e-6 * torch.randn(200, 12, generator=draws)
    patches, pairs = finished(bank, layers, 3, outputs, ("fine",))
    check_nearest(bank, patches.flatten(0, 2), pairs)


@pytest.mark.parametrize("changed", [("fine",), ("middle",), ("fine", "middle")])
def test_what_is_changed_after_it_was_taken_is_taken_anew(changed: tuple[str, ...]) -> None:
    """As by an activation that works in place on a layer's output."""
    layers = ("fine", "middle", "coarse")
    bank, outputs = bank_of(layers, 3), image(9)
    early = EarlySearch(SharedRows(bank), layers, GRIDS, 3)
    for layer in layers[:-1]:
        early.take(layer, outputs[layer])
    for _, _, work in early._taken:
        work.result()
    for layer in changed:
        outputs[layer].relu_()
    patches, pairs = early.finish(outputs)
    assert patches.equal(merge_layers(outputs, layers, GRIDS, 3))
    check_nearest(bank, patches.flatten(0, 2), pairs)


def test_tensors_of_inference_mode_are_not_taken_early() -> None:
    """They do not know whether they are changed."""
    layers = ("fine", "coarse")
    with torch.inference_mode():
        outputs = image(9)
        early = EarlySearch(SharedRows(bank_of(layers, 3)), layers, GRIDS, 3)
        early.take("fine", outputs["fine"])
        outputs["fine"].relu_()
        patches, pairs = early.finish(outputs)
    assert patches.equal(merge_layers(outputs, layers, GRIDS, 3))
    check_nearest(bank_of(layers, 3), patches.flatten(0, 2), pairs)


def test_an_image_of_too_many_patches_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PRODUCTS", 1000)
    layers = ("fine", "coarse")
    outputs = image(9)
    patches, pairs = finished(bank_of(layers, 3), layers, 3, outputs, ("fine",))
    assert pairs is None and patches.equal(merge_layers(outputs, layers, GRIDS, 3))


def test_products_that_tell_too_little_are_left_to_others() -> None:
    """Rows that all lie within the rounding of their products with patches far away."""
    layers, outputs = ("fine", "coarse"), {layer: output + 1e4 for layer, output in image(9).items()}
    bank = 2 + 1e-6 * torch.randn(200, 12, generator=torch.Generator().manual_seed(0))
    patches, pairs = finished(bank, layers, 3, outputs, ("fine",))
    assert pairs is None and patches.equal(merge_layers(outputs, layers, GRIDS, 3))
    fitted = detector(bank)
    begun = fitted.begin()
    begun.take("fine", outputs["fine"])
    early, whole = begun.score(outputs), fitted.score(outputs)
    assert np.array_equal(early.image, whole.image) and np.array_equal(early.patches, whole.patches)


def detector(bank: Tensor, layers: tuple[str, ...] = ("fine", "coarse")) -> PatchCore:
    return PatchCore(PatchCoreSpec(layers), MemoryBank(bank), GRIDS)


@pytest.mark.parametrize(("products", "rows"), [(2**22, 4096), (1000, 4096), (2**22, 10)])
def test_patchcore_scores_the_same_bits(products: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PRODUCTS", products)
    monkeypatch.setattr(patchcore, "MOST_ROWS", rows)
    fitted = detector(bank_of(("fine", "coarse"), 3))
    for seed in range(4, 9):
        outputs, begun = image(seed), fitted.begin()
        begun.take("fine", outputs["fine"])
        early, whole = begun.score(outputs), fitted.score(outputs)
        assert np.array_equal(early.image, whole.image) and np.array_equal(early.patches, whole.patches)


@pytest.mark.parametrize("width", [3, 11, 13])
def test_a_bank_of_another_network_is_refused(width: int) -> None:
    outputs, begun = image(9), detector(torch.ones(20, width)).begin()
    begun.take("fine", outputs["fine"])
    with pytest.raises(UserError, match=rf"queries must have shape \(N, {width}\) as the bank"):
        begun.score(outputs)


@pytest.mark.parametrize("layer", ["fine", "coarse"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_no_number_is_refused(layer: str, value: float) -> None:
    outputs, begun = image(9), detector(bank_of(("fine", "coarse"), 3)).begin()
    outputs[layer][0, 2, 1, 1] = value
    begun.take("fine", outputs["fine"])
    with pytest.raises(UserError, match="queries must be finite numbers"):
        begun.score(outputs)
