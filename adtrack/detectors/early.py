"""The search of one image in a small bank, begun before the network has all of its layers.

A patch is its layers side by side, the coarser ones read between their cells. Its product with a bank row is therefore
the sum of the layers' own products, and those of a coarse layer can be read between its cells as the layer itself is.
Done so, half of the multiplications fall away, and most of the others are done while the network is at its last layer:
it computes with a single thread for the sake of its bits, so another core has nothing to do.
"""

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ..features.grids import Grid
from ..features.patches import average, finest, merge_cells, read_at, taps_between
from ..features.precision import full_precision
from . import closeness, search
from .distinct import Distinct
from .encoding import Floats, padded

MOST_ROWS = 4096  # of a bank: of more, encoded rows are compared faster
# Roundings of a product besides those of one sum over all dimensions: weights, products and sums along two axes, in the
# patches as in what is read here, and the sum over the layers.
_READINGS = 32


class SharedRows:
    """The different rows float32 (M, D) of a small bank as they are multiplied with one layer after the other.

    They are not centred: what reading between cells rounds is the cells as they are.
    """

    def __init__(self, patches: Tensor) -> None:
        self.distinct = Distinct(patches)
        self.floats = Floats(torch.zeros_like(patches[0]), _READINGS)
        self.encoded = padded(self.floats.encode(self.distinct.vectors), closeness.BLOCK)
        self.helper = ThreadPoolExecutor(1)  # one thread for all images: to start one would hold up the pass


class EarlySearch:
    """One image on its way through the network: ``take`` its layers as they come, then ``finish``."""

    def __init__(self, rows: SharedRows, layers: Sequence[str], grids: Mapping[str, Grid], patch_size: int) -> None:
        self._rows, self._layers, self._grids, self._patch_size = rows, tuple(layers), grids, patch_size
        self._target = finest(layers, grids)
        self._cells: dict[str, Tensor] = {}
        self._products: Tensor | None = None  # c·c/2 − x·c of patches and rows so far (H · W, M), unless too many
        self._squares: Tensor | None = None  # of the patches (H, W), or a little more
        self._taken: list[tuple[Tensor, int, Future[None]]] = []  # outputs, their versions then, and the work on them

    def take(self, layer: str, output: Tensor) -> None:
        """Begin with the output (1, C, h, w) of a layer, if it is the next part of a patch: else it can wait."""
        place = len(self._taken)
        next_one = self._target == self._layers[0] and self._layers[place : place + 1] == (layer,)
        if next_one and not output.is_inference():  # whose tensors would not tell that they have changed
            start = sum(before.shape[1] for before, _, _ in self._taken)
            work = self._rows.helper.submit(self._add, layer, output, start)
            self._taken.append((output, output._version, work))

    def finish(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, search.Pairs | None]:
        """Patches (1, H, W, D) of the image with these outputs, and pairs of patch and row among which is every patch's
        nearest row, of equals the lowest; None for an image of too many patches to keep all products, or of patches
        that these don't tell enough of."""
        for _, _, work in self._taken:
            work.result()
        if any(output._version != version for output, version, _ in self._taken):
            self._cells.clear()  # the network went on to change in place what had been taken: nothing of it holds
        widths = [outputs[layer].shape[1] for layer in self._layers]
        starts = {layer: sum(widths[:at]) for at, layer in enumerate(self._layers)}
        for layer in sorted(starts, key=lambda layer: layer != self._target):
            if layer not in self._cells:
                self._add(layer, outputs[layer], starts[layer])
        patches = merge_cells(self._cells, self._layers, self._grids)
        if self._products is None:
            return patches, None
        floats, rows, distinct = self._rows.floats, self._rows.encoded, self._rows.distinct
        patch, row = search.smallest(floats, self._squares.flatten() * floats.rounding, rows, self._products)
        if search.crowded(patch, len(self._products), 1, len(distinct)).any():
            return patches, None
        return patches, (patch, distinct.lowest[row])

    @full_precision
    def _add(self, layer: str, output: Tensor, start: int) -> None:
        """Add the products of a layer with its dimensions of the rows, from ``start`` on; the target has to be first.

        A patch that is read between cells is no longer than these are: their squares, read alike, bound its rounding.
        """
        cells = self._cells[layer] = average(output, self._patch_size)
        rows = self._rows.encoded
        shares = rows.matrix[:, start : start + cells.shape[3]].T
        flat, squares = cells.flatten(0, 2), torch.linalg.vector_norm(cells[0], dim=2).square()
        if len(shares) < flat.shape[1]:  # rows of another network: who looks for the nearest will say so
            self._products = None
        elif layer == self._target:
            if len(flat) * len(rows) <= search.PRODUCTS:
                self._products, self._squares = torch.addmm(rows.halves, flat, shares, alpha=-1.0), squares
        elif self._products is not None:
            (height, width), (rough, coarse) = self._squares.shape, squares.shape
            down = _reading(self._grids[layer], self._grids[self._target], rough, height)
            across = _reading(self._grids[layer], self._grids[self._target], coarse, width)
            products = (down @ (flat @ shares).view(rough, -1)).view(height, coarse, -1)
            self._products.view(height, width, -1).baddbmm_(across.expand(height, -1, -1), products, alpha=-1.0)
            self._squares += down @ squares @ across.T


@functools.lru_cache(maxsize=64)
def _reading(source: Grid, target: Grid, count: int, wanted: int) -> Tensor:
    """float32 (wanted, count): how much each cell of one grid counts in each of another's, along either axis."""
    return read_at(torch.eye(count), 0, taps_between(source, target, count, wanted, torch.device("cpu")))
