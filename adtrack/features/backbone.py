"""A frozen network on a device: views in, the outputs of named layers out."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..config import BILINEAR, VIEW, ImageSpec, Normalisation
from ..errors import UserError
from .grids import VIEW_GRID, Grid
from .networks import Network
from .precision import full_precision
from .threads import fixed_threads
from .weights import Trunk

# Images in one pass. The size is fixed, and the last batch is filled up, because convolution kernels choose their
# blocking by batch size: so the bits of an image do not depend on its neighbours. On the CPU larger batches are no
# faster; on a GPU they are.
CPU_BATCH = 1
GPU_BATCH = 32


def choose_device(name: str) -> torch.device:
    """The device of this name: ``cpu``, ``cuda``, or ``auto``, which is the first GPU or, without one, the CPU."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device must be auto, cpu or cuda, but got {name!r}.")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("device cuda needs a CUDA GPU, but torch sees none.", "device=auto falls back to the CPU.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


class Backbone:
    """A trunk cut after the deepest layer that is wanted.

    Calling it on a float32 batch of views (n, 3, S, S) gives ``{layer: float32 (n, C, h, w)}`` on ``device``, with the
    channels of the network's layers last in memory. The layer ``config.VIEW`` is the views themselves. Where it is the
    only one, there is no network: any trunk will do, also ``Trunk.none()``.
    """

    def __init__(self, trunk: Trunk, layers: Sequence[str], device: torch.device) -> None:
        self.trunk = trunk
        self.layers = tuple(layers)
        self.device = device
        self._deep = tuple(layer for layer in self.layers if layer != VIEW)
        self._network = filled(trunk, self._deep, device) if self._deep else None
        grids = {VIEW: VIEW_GRID} | (layer_grids(trunk.network, self._deep) if self._deep else {})
        self.grids = {layer: grids[layer] for layer in self.layers}

    @property
    def network(self) -> nn.Module | None:
        """The network: views (n, 3, S, S) → {layer: (n, C, h, w)}. None if the views themselves are all that is
        wanted."""
        return self._network

    @property
    def key(self) -> str:
        """A digest of what decides the outputs besides the views, the device and torch: the trunk's SHA-256."""
        return self.trunk.sha256

    def view(self, image: ImageSpec) -> ImageSpec:
        """What the network gets where ``image`` is asked for: with its own normalisation and interpolation, unless the
        view names others. UserError: it takes no views of this size."""
        if self._network is None:
            return image.made_for(Normalisation(), BILINEAR)
        network = Network(self.trunk.network)
        network.check_size(self._network, image.size)
        return image.made_for(network.normalisation, network.interpolation)

    def __call__(self, views: Tensor) -> dict[str, Tensor]:
        outputs = {VIEW: views.to(self.device)} | self._outputs(views)
        return {layer: outputs[layer] for layer in self.layers}

    def _outputs(self, views: Tensor) -> dict[str, Tensor]:
        """The outputs of the network's layers, computed in batches of a fixed size."""
        if self._network is None:
            return {}
        size = GPU_BATCH if self.device.type == "cuda" else CPU_BATCH
        with same_bits(self.device):
            parts = [self._pass(self._network, views[at : at + size], size) for at in range(0, len(views), size)]
        if len(parts) == 1:
            return parts[0]
        return {layer: torch.cat([part[layer] for part in parts]) for layer in self._deep}

    @torch.no_grad()  # not inference_mode: no training could use its tensors
    def _pass(self, network: nn.Module, views: Tensor, size: int) -> dict[str, Tensor]:
        count = len(views)
        batch = views.to(self.device, memory_format=torch.channels_last)
        if count < size:
            batch = torch.cat([batch, batch[:1].expand(size - count, -1, -1, -1)])
        outputs = network(batch)
        for layer in self._deep:
            if outputs[layer].ndim != 4:
                raise UserError(
                    f"layer must give a grid of patches, but {layer} gives shape {tuple(outputs[layer].shape[1:])}.",
                    "choose a layer before the pooling.",
                )
        return {layer: outputs[layer][:count] for layer in self._deep}


def filled(trunk: Trunk, layers: Sequence[str], device: torch.device) -> nn.Module:
    """The network of the trunk up to the deepest of ``layers``, with the trunk's tensors. UserError: one is missing."""
    wanted = Network(trunk.network).shapes(layers)
    trunk.require(wanted)
    network = Network(trunk.network).filled(layers, {name: trunk.tensors[name] for name in wanted})
    return network.to(device).to(memory_format=torch.channels_last).requires_grad_(False)


@contextmanager
def same_bits(device: torch.device) -> Iterator[None]:
    """While a thread is inside, the bits of outputs depend on nothing but image and device."""
    if device.type != "cuda":
        with fixed_threads():
            yield
        return
    # cudnn.flags would fail where the program has set precisions in the way that has replaced allow_tf32.
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        with full_precision:
            yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before


@functools.cache
def layer_grids(network: str, layers: tuple[str, ...]) -> dict[str, Grid]:
    """The grids of the layers of the network of that name, measured once a process."""
    return Network(network).grids(layers)
