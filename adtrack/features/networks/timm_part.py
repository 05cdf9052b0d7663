"""The part of one of timm's networks that computes some layers, by names that timm's ``feature_info`` gives them."""

import inspect
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from ...config import NetworkLayers
from ...errors import UserError
from ..grids import Grid, measure_grids
from .stages import convolutional_layers, transformer_layers

CLASS_TOKEN = "cls"  # the layer of a transformer's class token: the last block's, after the final norm
NORMED = ".norm"  # after a block's name: its tokens after the transformer's final norm
_ONE_CELL = Grid(0.0, 1.0)  # of the class token, which has no place in the view
_INSIDE = "network."


@dataclass(frozen=True)
class _Output:
    """Which of the network's features a layer is, and what becomes of it."""

    index: int
    normed: bool = False
    token: bool = False


class _Timms(Protocol):
    """What timm's networks have in common."""

    pretrained_cfg: Mapping[str, Any]
    feature_info: Iterable[Mapping[str, Any]]
    norm: nn.Module

    def forward_intermediates(
        self,
        x: Tensor,
        indices: Sequence[int],
        *,
        output_fmt: str,
        stop_early: bool,
        intermediates_only: bool,
        **more: bool,
    ) -> Sequence[Tensor | tuple[Tensor, Tensor]]:
        """The features at ``indices``, of transformers with or without the other tokens."""
        ...

    def set_input_size(self, img_size: tuple[int, int]) -> None:
        """Bring what depends on the size of views to this size. Transformers alone have this method."""
        ...

    def prune_intermediate_layers(self, indices: Sequence[int], prune_norm: bool) -> object:
        """Remove all that the features at ``indices`` do not need."""
        ...


class Part(nn.Module):
    """The network cut after the deepest layer that is wanted: (n, 3, S, S) → {layer: (n, C, h, w)}.

    Its tensors have the names that they have in the network. The cut changes the network itself.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        timms = cast(_Timms, network)
        self.own_size: int = timms.pretrained_cfg["input_size"][-1]
        self.name = f"timm/{timms.pretrained_cfg['architecture']}"
        self.features = list(timms.feature_info)
        self.outputs = _outputs(network, layers, [one["module"] for one in self.features])
        self.has_tokens = _has_tokens(network)
        indices = sorted({output.index for output in self.outputs.values()})
        normed = any(output.normed for output in self.outputs.values())
        last = indices[-1] == len(self.features) - 1
        timms.prune_intermediate_layers(indices, prune_norm=not normed if self.has_tokens else not last)
        self.network = network
        nn.Module.register_state_dict_post_hook(self, _as_in_the_network)
        nn.Module.register_load_state_dict_pre_hook(self, _as_in_the_part)

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        """The layers' outputs. UserError: the network does not take views of this size."""
        with_tokens = any(output.token for output in self.outputs.values())
        options = {"return_prefix_tokens": True} if with_tokens else {}
        indices = sorted({output.index for output in self.outputs.values()})
        try:
            found = cast(_Timms, self.network).forward_intermediates(
                views, indices=indices, output_fmt="NCHW", stop_early=True, intermediates_only=True, **options
            )
        except (AssertionError, RuntimeError) as error:
            if views.shape[-1] == self.own_size or isinstance(error, torch.OutOfMemoryError):
                raise
            raise UserError(
                f"view must have a size that {self.name} takes, but it failed at {views.shape[-1]} pixels ({error}).",
                f"its own size is {self.own_size}: resize={self.own_size} with crop=0.",
            ) from error
        features = dict(zip(indices, found, strict=True))
        return {layer: self._output(output, features[output.index]) for layer, output in self.outputs.items()}

    def _output(self, output: _Output, feature: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        grid, prefix = feature if isinstance(feature, tuple) else (feature, None)
        tokens = grid.permute(0, 2, 3, 1)
        if output.token and prefix is not None:
            tokens = prefix[:, None, :1]
        if output.normed:
            tokens = cast(_Timms, self.network).norm(tokens)
        return tokens.contiguous().permute(0, 3, 1, 2)

    def check_size(self, size: int) -> None:
        """Raise UserError if the cells of the layers would lie elsewhere in views of this side, or if there are
        none."""
        step = self._step()
        if size % step:
            raise UserError(
                f"view must have a multiple of {step} pixels on a side for {self.name}, but got {size}.",
                f"resize={max(round(size / step), 1) * step} with crop=0, for example.",
            )

    def settle(self, size: int) -> None:
        """Bring a transformer's position embedding to the grid of views of this side, as ``forward`` does each time."""
        if self.has_tokens and size != self.own_size and hasattr(self.network, "set_input_size"):
            cast(_Timms, self.network).set_input_size(img_size=(size, size))

    def _step(self) -> int:
        """What the side of a view must be a multiple of: a transformer's patch, or what keeps every map's side even
        where padding depends on that."""
        reductions: list[int] = [self.features[output.index]["reduction"] for output in self.outputs.values()]
        if self.has_tokens or any(_pads_by_size(module) for module in self.network.modules()):
            return max(reductions)
        return 1

    def grids(self) -> dict[str, Grid]:
        """Where the cells lie: a transformer's patches tile the view, other networks are measured."""
        if self.has_tokens:
            return {layer: self._tiles(layer) for layer in self.outputs}
        tiles = {layer: self._tiles(layer) for layer in self.outputs}
        try:
            measured = measure_grids(self, list(self.outputs))
        except UserError:  # it takes views of its own size alone, since it cuts them into windows, which tile them
            return tiles
        # Attention of some networks moves coordinates towards the middle of what it sees. They tile the view, too.
        fit = {layer: grid for layer, grid in measured.items() if grid.stride == tiles[layer].stride}
        return tiles | fit

    def _tiles(self, layer: str) -> Grid:
        output = self.outputs[layer]
        side: int = self.features[output.index]["reduction"]
        return _ONE_CELL if output.token else Grid((side - 1) / 2, float(side))


def usual_layers(network: nn.Module) -> NetworkLayers:
    """The layers for users who name none."""
    features = list(cast(_Timms, network).feature_info)
    names = [one["module"] for one in features]
    known = _known(network, names)
    if not _has_tokens(network) and len({one["reduction"] for one in features}) > 1:
        return convolutional_layers({one["module"]: one["reduction"] for one in features})
    blocks = [next(name for name in (one + NORMED, one) if name in known) for one in names]
    return transformer_layers(blocks, CLASS_TOKEN if CLASS_TOKEN in known else blocks[-1])


def _outputs(network: nn.Module, layers: Sequence[str], known: Sequence[str]) -> dict[str, _Output]:
    """What each of the layers is. UserError: one is unknown, or timm cannot give this network's layers."""
    places = _known(network, known)
    for layer in layers:
        if layer not in places:
            normed = [f"these with {NORMED}"] if len(places) > len(known) else []
            token = [CLASS_TOKEN] if CLASS_TOKEN in places else []
            raise UserError(f"layer must be one of {', '.join([*known, *normed, *token])}, but got {layer!r}.")
    return {layer: places[layer] for layer in layers}


def _known(network: nn.Module, known: Sequence[str]) -> dict[str, _Output]:
    """All layers that can be asked for. UserError: timm cannot give this network's layers."""
    methods = ("forward_intermediates", "prune_intermediate_layers")
    if not all(hasattr(network, method) for method in methods) or len(set(known)) < len(known):
        raise UserError(
            f"backbone must be a network whose layers timm can give, but {type(network).__name__} is none of these.",
            "most of timm's networks are: resnet50, convnext_tiny and vit_small_patch16_224 among them.",
        )
    places = {name: _Output(index) for index, name in enumerate(known)}
    if _has_tokens(network) and hasattr(network, "norm"):
        places |= {f"{name}{NORMED}": _Output(index, normed=True) for index, name in enumerate(known)}
        if getattr(network, "cls_token", None) is not None:
            places[CLASS_TOKEN] = _Output(len(known) - 1, normed=True, token=True)
    return places


def _has_tokens(network: nn.Module) -> bool:
    """Whether it is a plain transformer, whose blocks hold a token for each patch and perhaps others before them."""
    method = getattr(network, "forward_intermediates", None)
    return method is not None and "return_prefix_tokens" in inspect.signature(method).parameters


def _pads_by_size(module: nn.Module) -> bool:
    """Whether a module with a stride pads as TensorFlow does: on which side depends on whether the map is even."""
    strides = getattr(module, "stride", 1)
    widest = max(strides) if isinstance(strides, Iterable) else strides
    return type(module).__name__.endswith("2dSame") and widest > 1


def _as_in_the_network(
    part: nn.Module, tensors: MutableMapping[str, Tensor], prefix: str, metadata: Mapping[str, object]
) -> None:
    for name in [name for name in tensors if name.startswith(prefix + _INSIDE)]:
        tensors[prefix + name.removeprefix(prefix + _INSIDE)] = tensors.pop(name)


def _as_in_the_part(part: nn.Module, tensors: MutableMapping[str, Tensor], prefix: str, *_: object) -> None:
    for name in [name for name in tensors if name.startswith(prefix)]:
        tensors[prefix + _INSIDE + name.removeprefix(prefix)] = tensors.pop(name)
