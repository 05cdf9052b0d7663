"""Grids: where cells lie, by hand and against torchvision's networks; linear interpolation between them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adtrack.features.backbone import layer_grids
from adtrack.features.grids import Grid, linear_taps, measure_grids
from adtrack.features.networks import Network


class Steps(nn.Module):
    """Modules one after the other; the output of each is a layer called by its number."""

    def __init__(self, *steps: nn.Module) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        outputs = {}
        for number, step in enumerate(self.steps):
            outputs[str(number)] = views = step(views)
        return outputs


def test_a_small_network_by_hand() -> None:
    network = Steps(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),  # cell 0 is centred on pixel 0
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),  # without padding cell 0 is centred on cell 1 of step 0: pixel 2
        nn.MaxPool2d(2),  # between cells 0 and 1 of step 3: pixels 2 and 4
        nn.Conv2d(5, 6, 5, stride=3, padding=2, dilation=1),  # cell 0 stays where it is
        nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),  # neither shift nor stride
        nn.Conv2d(6, 6, 3, dilation=2),  # cell 0 moves by 2 cells of 12 pixels
    ).eval()
    expected = {
        "0": Grid(0, 2),
        "2": Grid(0, 2),
        "3": Grid(2, 2),
        "4": Grid(3, 4),
        "5": Grid(3, 12),
        "6": Grid(3, 12),
        "7": Grid(27, 12),
    }
    assert measure_grids(network, list(expected)) == expected


@pytest.mark.parametrize(
    ("network", "grids"),
    {
        "resnet18": {"layer1": (0, 4), "layer2": (0, 8), "layer3": (0, 16), "layer4": (0, 32)},
        "resnet50": {"relu": (0, 2), "layer1": (0, 4), "layer2": (0, 8), "layer3": (0, 16)},
        # Every convolution and pooling of stride 2 has kernel 3 and no padding: 1, 1 + 2, 3 + 4, 7 + 8.
        "squeezenet1_1": {"features.0": (1, 2), "features.3": (3, 4), "features.6": (7, 8), "features.12": (15, 16)},
        # Poolings of kernel and stride 2 tile the view.
        "vgg11": {"features.2": (0.5, 2), "features.5": (1.5, 4), "features.10": (3.5, 8)},
        # Layer normalisation lets no coordinates through; the cells of a patchifying network tile the view.
        "convnext_tiny": {"features.1": (1.5, 4), "features.3": (3.5, 8), "features.5": (7.5, 16)},
    }.items(),
)
def test_networks(network: str, grids: dict[str, tuple[float, float]]) -> None:
    assert layer_grids(network, tuple(grids)) == {layer: Grid(*grid) for layer, grid in grids.items()}


@pytest.mark.parametrize(("network", "layer"), [("resnet18", "layer2"), ("squeezenet1_1", "features.6")])
def test_a_cell_sees_as_far_to_the_left_as_to_the_right_of_its_centre(network: str, layer: str) -> None:
    """An independent measure: brighten one column of pixels after the other and see whether the cell changes."""
    grid, width = layer_grids(network, (layer,))[layer], 160
    cut = Network(network).blank([layer]).to_empty(device="cpu")
    for parameter in [*cut.parameters(), *cut.buffers()]:
        parameter.data.fill_(0.01 if parameter.ndim > 1 else 1)
    views = torch.ones(width + 1, 3, 32, width)  # the last one stays as it is
    views[torch.arange(width), :, :, torch.arange(width)] = 2
    with torch.inference_mode():
        output = cut(views)[layer].sum(dim=(1, 2))
    cell = output.shape[1] // 2
    seen = (output[:-1, cell] != output[-1, cell]).nonzero().squeeze(1)
    assert seen[0] > 0 and seen[-1] < width - 1  # else the sides of the view would pretend a centre
    assert float(seen[0] + seen[-1]) / 2 == grid.centres(cell + 1)[cell]


def test_measuring_leaves_no_gradients_and_needs_no_values() -> None:
    network = Network("resnet18").blank(["layer1"]).to_empty(device="cpu")
    for parameter in network.parameters():
        parameter.data.fill_(torch.nan)
    assert measure_grids(network, ["layer1"]) == {"layer1": Grid(0, 4)}


def test_cells_and_centres_are_inverse() -> None:
    grid = Grid(15, 16)
    assert grid.centres(4).tolist() == [15, 31, 47, 63]
    assert grid.cells(np.array([15, 23, 63, 0])).tolist() == [0, 0.5, 3, -15 / 16]
    np.testing.assert_array_equal(grid.cells(grid.centres(50)), np.arange(50))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_linear_taps_are_numpys_interpolation(count: int) -> None:
    samples = np.random.default_rng(0).standard_normal(count)
    positions = np.linspace(-3, count + 3, 113)
    lower, upper, weight = linear_taps(positions, count)
    assert lower.dtype == upper.dtype == np.int64 and weight.dtype == np.float64
    assert lower.min() >= 0 and upper.max() <= count - 1 and (weight >= 0).all() and (weight <= 1).all()
    read = (1 - weight) * samples[lower] + weight * samples[upper]
    np.testing.assert_allclose(read, np.interp(positions, np.arange(count), samples), rtol=1e-12)
