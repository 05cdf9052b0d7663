"""Patch features: neighbourhood means at the borders, layers read where the finest one's cells lie."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.features.grids import Grid
from adtrack.features.patches import finest, merge_layers

FINE, COARSE = Grid(0, 8), Grid(0, 16)


def ramp(grid: Grid, cells: int) -> Tensor:
    """A layer (1, 2, cells, cells) whose channels are the view coordinates of its cells, row and column."""
    centres = torch.from_numpy(grid.centres(cells)).float()
    return torch.stack(torch.meshgrid(centres, centres, indexing="ij"))[None]


def test_one_layer_without_neighbours_is_the_layer() -> None:
    layer = torch.randn(3, 5, 4, 6)
    merged = merge_layers({"a": layer}, ["a"], {"a": FINE}, 1)
    assert merged.dtype == torch.float32 and merged.equal(layer.permute(0, 2, 3, 1))


def test_neighbourhoods_by_hand() -> None:
    layer = torch.arange(9.0).reshape(1, 1, 3, 3)
    merged = merge_layers({"a": layer}, ["a"], {"a": FINE}, 3)[0, :, :, 0]
    # Corner: (0 + 1 + 3 + 4) / 9, for cells outside are zeros; edge: (0 + 1 + 2 + 3 + 4 + 5) / 9; centre: 36 / 9.
    np.testing.assert_allclose(merged.numpy() * 9, [[8, 15, 12], [21, 36, 27], [20, 33, 24]], rtol=1e-6)


@pytest.mark.parametrize("patch_size", [3, 5, 7])
def test_neighbourhoods_against_plain_means(patch_size: int) -> None:
    layer = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    merged = merge_layers({"a": layer}, ["a"], {"a": FINE}, patch_size).numpy()
    reach, array = patch_size // 2, layer.double().numpy()
    for row, column in np.ndindex(6, 5):
        rows, columns = slice(max(row - reach, 0), row + reach + 1), slice(max(column - reach, 0), column + reach + 1)
        mean = array[:, :, rows, columns].sum(axis=(2, 3)) / patch_size**2
        np.testing.assert_allclose(merged[:, row, column], mean, rtol=1e-6)


def test_a_constant_falls_off_towards_the_borders_alone() -> None:
    """Cells outside are zeros, as in the authors' code and in anomalib: a corner of 3 × 3 keeps 4/9."""
    outputs = {"a": torch.full((1, 2, 16, 16), 0.9), "b": torch.full((1, 3, 8, 8), 0.9)}
    merged = merge_layers(outputs, ["a", "b"], {"a": FINE, "b": COARSE}, 3)
    assert merged.shape == (1, 16, 16, 5)
    np.testing.assert_allclose(merged[0, 4:-4, 4:-4].numpy(), 0.9, rtol=1e-6)
    np.testing.assert_allclose(merged[0, 0, [0, 8], :2].numpy(), [[0.4, 0.4], [0.6, 0.6]], rtol=1e-6)


@pytest.mark.parametrize("coarse", [Grid(0, 16), Grid(3.5, 16), Grid(15, 16)])
@pytest.mark.parametrize("patch_size", [1, 3])
def test_a_coarse_layer_is_read_where_the_fine_cells_lie(coarse: Grid, patch_size: int) -> None:
    outputs = {"fine": ramp(FINE, 16), "coarse": ramp(coarse, 8)}
    merged = merge_layers(outputs, ["fine", "coarse"], {"fine": FINE, "coarse": coarse}, patch_size)[0]
    inner = merged[5:-5, 5:-5]
    np.testing.assert_allclose(inner[..., 2:], inner[..., :2], atol=1e-4)  # view coordinates of both layers agree
    np.testing.assert_allclose(inner[..., 0], np.broadcast_to(FINE.centres(16)[5:-5, None], (6, 6)), atol=1e-4)


def test_beyond_the_outermost_coarse_cell_its_value_is_kept() -> None:
    coarse = Grid(15, 16)
    merged = merge_layers({"a": ramp(FINE, 6), "b": ramp(coarse, 2)}, ["a", "b"], {"a": FINE, "b": coarse}, 1)[0]
    assert merged[:, 0, 2].tolist() == [15, 15, 16, 24, 31, 31]


def test_channels_come_in_the_order_of_the_layers_on_the_finest_grid() -> None:
    outputs = {"a": torch.full((2, 3, 4, 4), 1.0), "b": torch.full((2, 4, 8, 8), 2.0), "unused": torch.ones(2, 1, 9, 9)}
    grids = {"a": COARSE, "b": FINE, "unused": Grid(0, 4)}
    merged = merge_layers(outputs, ["a", "b"], grids, 3)
    assert merged.shape == (2, 8, 8, 7) and merged[0, 3, 3].tolist() == [1.0] * 3 + [2.0] * 4
    assert finest(["a", "b"], grids) == "b" and finest(["b", "unused"], grids) == "unused"
    assert finest(["a", "c"], grids | {"c": COARSE}) == "a"  # the earlier of equals


def test_an_image_does_not_depend_on_its_batch() -> None:
    draws = torch.Generator().manual_seed(0)
    outputs = {"a": torch.randn(5, 6, 9, 9, generator=draws), "b": torch.randn(5, 7, 5, 5, generator=draws)}
    grids = {"a": FINE, "b": COARSE}
    whole = merge_layers(outputs, ["a", "b"], grids, 3)
    for at in range(5):
        one = merge_layers({name: layer[at : at + 1] for name, layer in outputs.items()}, ["a", "b"], grids, 3)
        assert one[0].equal(whole[at])
