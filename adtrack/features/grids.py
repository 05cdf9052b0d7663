"""Where the cells of a layer lie in the view. This keeps patches, layers and heatmaps aligned to the pixel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import UserError
from .passed_over import PassedOver

# What gives its first argument while grids are measured. Normalisations would undo a ramp, or the equal weights of a
# convolution that normalises them, and attention would mix all places. None of them moves a cell.
_LEFT_OUT = (
    *(functional.layer_norm, functional.group_norm, functional.rms_norm, functional.batch_norm),
    functional.scaled_dot_product_attention,
)
_PROBE = (64, 1024)  # height and width of a strip that is wide enough for its middle cells not to see its ends


@dataclass(frozen=True)
class Grid:
    """Cell ``i`` of a layer is centred on view pixel ``offset + stride · i``, along rows and columns alike.

    A ResNet pads every strided convolution by half its kernel, so its cell 0 lies on pixel 0 and not in the middle of
    the first ``stride`` pixels. If feature maps were resized "corner to corner", heatmaps would be moved by up to
    (stride − 1) / 2 pixels.
    """

    offset: float
    stride: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and math.isfinite(self.stride) and self.stride > 0):
            raise UserError(
                f"a grid must have a finite offset and a positive stride, but got {self.offset} and {self.stride}."
            )

    def centres(self, count: int) -> np.ndarray:
        """float64 (count,): view coordinates of the first ``count`` cells."""
        return self.offset + self.stride * np.arange(count, dtype=np.float64)

    def every(self, stride: int) -> "Grid":
        """The grid of every ``stride``-th cell, from the first on."""
        return Grid(self.offset, self.stride * stride)

    def cells(self, pixels: np.ndarray) -> np.ndarray:
        """float64: fractional cell indices of view coordinates."""
        return (np.asarray(pixels, dtype=np.float64) - self.offset) / self.stride


VIEW_GRID = Grid(offset=0.0, stride=1.0)  # of the view itself: its cells are its pixels


def linear_taps(positions: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear interpolation at fractional ``positions`` among ``count`` samples, clamped at both ends.

    Returns (lower, upper, weight): int64, int64 and float64 of the shape of ``positions``; the value is
    ``(1 − weight) · sample[lower] + weight · sample[upper]``.
    """
    inside = np.clip(positions, 0.0, count - 1.0)
    lower = np.minimum(np.floor(inside).astype(np.int64), max(count - 2, 0))
    upper = np.minimum(lower + 1, count - 1)
    return lower, upper, inside - lower


@torch.inference_mode()
def measure_grids(network: nn.Module, layers: Sequence[str]) -> dict[str, Grid]:
    """Measure the grids of ``layers`` by sending coordinates through the network with weights that only average.

    ``network`` gives {layer: (n, C, h, w)}; its weights are overwritten. With equal positive weights, a cell's output
    for a ramp divided by its output for a constant is the centre of what the cell sees. A maximum pooling reads a ramp
    too far to the right and the mirrored ramp as far to the left; their mean cancels this. Tiny inputs keep smooth
    activations in their linear part; normalisations and attention are left out. Where a network does not pass
    coordinates on all the same, the cells are assumed to tile the view evenly.
    """
    height, width = _PROBE
    _only_average(network)
    ramp = torch.arange(width, dtype=torch.float32).expand(height, width)
    strips = torch.stack([torch.full_like(ramp, width), ramp, width - 1 - ramp])
    with PassedOver(_LEFT_OUT):
        answers = network(strips[:, None].expand(-1, 3, -1, -1) * 1e-9)
    return {layer: _fit(answers[layer], width) for layer in layers}


def _fit(answer: Tensor, width: int) -> Grid:
    """The grid behind a layer's answers (3, C, h, w) to constant, ramp and mirrored ramp."""
    if answer.ndim != 4 or answer.shape[3] < 4:
        return _even(width, answer.shape[-1])
    constant, ramp, mirrored = answer.double().sum(dim=(1, 2))
    centres = ((ramp - mirrored) / constant * width + width - 1) / 2
    middle = len(centres) // 2
    three = centres[middle - 1 : middle + 2]
    if not bool(torch.isfinite(three).all()):
        return _even(width, len(centres))
    stride = round(float(three[2] - three[0]) * 2) / 4
    grid = Grid(offset=round(float(three[1] - stride * middle) * 4) / 4, stride=stride)
    expected = torch.from_numpy(grid.centres(len(centres)))[middle - 1 : middle + 2]
    fits = stride > 0 and float((three - expected).abs().max()) < 0.1  # pixels
    return grid if fits else _even(width, len(centres))


def _even(width: int, cells: int) -> Grid:
    stride = width / max(cells, 1)
    return Grid(offset=(stride - 1) / 2, stride=stride)


def _only_average(network: nn.Module) -> None:
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if name in ("bias", "running_mean"):
                tensor.zero_()
            elif tensor.is_floating_point():
                tensor.fill_(1.0 / tensor[0].numel() if tensor.ndim > 1 else 1.0)
