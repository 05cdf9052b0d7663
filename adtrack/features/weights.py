"""Weights of a backbone: found, checked, cut down to the tensors that are used, and named by their SHA-256."""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..cache import cache_folder
from ..config import DEMO, IMAGENET, NO_NETWORK, RANDOM, VIEW, BackboneSpec
from ..errors import UserError
from ..findings import first_line, listed
from .networks import Network
from .networks.packaged import LITE0
from .weight_files import read_tensors

_COUNTER = "num_batches_tracked"


@dataclass(frozen=True, eq=False)
class Trunk:
    """The tensors of ``network`` up to the deepest layer that is used, and where they came from.

    ``asked`` is the address in the tracking store by which the user named them; "" if they came from elsewhere.
    ``licence`` is that of the weights, "" if nobody says.
    """

    network: str
    tensors: dict[str, Tensor]
    origin: str
    fell_back: bool = False
    asked: str = ""
    licence: str = ""

    @classmethod
    def none(cls) -> Self:
        """The trunk of detectors that look at nothing but the views: no network, and so no tensors."""
        return cls(NO_NETWORK, {}, NO_NETWORK)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over names, types, shapes and bytes of all tensors, whatever file they came in."""
        state = hashlib.sha256(self.network.encode())
        for name in sorted(self.tensors):
            tensor = self.tensors[name].contiguous()
            state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            state.update(tensor.view(torch.uint8).numpy().data if tensor.ndim else tensor.numpy().tobytes())
        return state.hexdigest()

    def require(self, shapes: Mapping[str, torch.Size]) -> None:
        """Raise UserError if a tensor of these names is missing, or has another shape."""
        missing = [name for name in shapes if name not in self.tensors]
        if missing:
            raise UserError(
                f"weights must hold every tensor that the layers use, but {self.origin} lacks {missing[0]}"
                + (f" and {len(missing) - 1} more." if len(missing) > 1 else "."),
                f"it must be a {self.network} with {Network(self.network).library.title}'s names, at least up to the "
                "deepest layer.",
            )
        for name, shape in shapes.items():
            if self.tensors[name].shape != shape:
                raise UserError(
                    f"weights must fit {self.network}, but {name} has shape {tuple(self.tensors[name].shape)} in "
                    f"{self.origin} and {tuple(shape)} in the network."
                )

    def save(self, file: Path) -> None:
        """Write the tensors as safetensors."""
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        save_file(tensors, file, metadata={"network": self.network})

    @classmethod
    def load(cls, file: Path, network: str, sha256: str, origin: str, licence: str = "") -> Self:
        """Read tensors written by ``save``; they must be the ones that ``sha256`` names."""
        trunk = cls(network, read_tensors(file, may_be_empty=network == NO_NETWORK), origin, licence=licence)
        if trunk.sha256 != sha256:
            raise UserError(f"trunk must have SHA-256 {sha256[:12]}…, but {file} has {trunk.sha256[:12]}….")
        kinds = {tensor.dtype for tensor in trunk.tensors.values()} - {torch.float32}
        if kinds:
            raise UserError(f"trunk must hold float32 numbers, but {file} holds {kinds.pop()}.")
        return trunk


def cached_trunk(sha256: str) -> Path:
    """Where the cache keeps the trunk of that SHA-256, whether it is there or not."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UserError(f"a trunk must be named by a SHA-256, but got {sha256!r}.")
    return cache_folder("trunks", f"{sha256}.safetensors")


def keep_trunk(trunk: Trunk) -> Path:
    """Put the trunk into the cache, if it is not there yet."""
    file = cached_trunk(trunk.sha256)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{uuid.uuid4().hex}")
        trunk.save(partial)
        partial.replace(file)
    return file


def load_trunk(spec: BackboneSpec, layers: Sequence[str], data: str) -> Trunk:
    """The weights that ``spec`` asks for, cut down to the tensors that ``layers`` use.

    Where ``layers`` name no layer of a network, nothing is read or downloaded, whatever ``spec`` says. ImageNet weights
    that cannot be had are replaced by random ones for ``data="demo"`` alone, because the demo is there to try adtrack
    out. The trunk says so (``fell_back``).
    """
    if not set(layers) - {VIEW}:
        return Trunk.none()
    network = Network(spec.name)
    shapes = network.shapes([layer for layer in layers if layer != VIEW])
    fell_back, licence = False, ""
    if spec.weights == IMAGENET:
        try:
            (tensors, origin), licence = network.pretrained(), network.licence
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: not the bytes that the hash promises
            if data != DEMO:
                raise UserError(
                    f"weights imagenet must be downloadable or in torch's cache, but {spec.name} is not "
                    f"({first_line(error)}).",
                    f"pass weights=FILE (.pth or .safetensors with {network.library.title}'s names); "
                    f"backbone=timm/{LITE0} has weights that need no network.",
                ) from error
            fell_back = True
            tensors, origin = _random(network, spec.seed)
    elif spec.weights == RANDOM:
        tensors, origin = _random(network, spec.seed)
    else:
        file = Path(spec.weights).expanduser()
        return trunk_in_file(file, spec.name, layers, file.name)
    return _cut(Trunk(spec.name, tensors, origin, fell_back, licence=licence), shapes)


def trunk_in_file(file: Path, network: str, layers: Sequence[str], origin: str) -> Trunk:
    """The weights in a file, cut down to the tensors that ``layers`` of the network use.

    ``origin`` is what to call them. UserError: the file is damaged, or does not hold the tensors of these layers.
    """
    shapes = Network(network).shapes([layer for layer in layers if layer != VIEW])
    return _cut(Trunk(network, read_tensors(file), origin), shapes)


def _cut(whole: Trunk, shapes: dict[str, torch.Size]) -> Trunk:
    whole = _unprefixed(whole, shapes)
    # Counters of batch norm are part of the state but are not read in eval mode, and converted files leave them out.
    counters = {name: torch.zeros(shape) for name, shape in shapes.items() if name.endswith(_COUNTER)}
    tensors = {**counters, **whole.tensors}
    replace(whole, tensors=tensors).require(shapes)
    return replace(whole, tensors={name: _widened(name, tensors[name], whole.origin) for name in shapes})


def _unprefixed(whole: Trunk, shapes: dict[str, torch.Size]) -> Trunk:
    """The trunk without the prefix that wrappers put before all names (``module.``, ``model.``), if it fits only so.

    UserError: several networks in the file would fit.
    """
    needed = [name for name in shapes if not name.endswith(_COUNTER)]

    def fits(prefix: str) -> bool:
        return all(name in whole.tensors for name in (prefix + name for name in needed))

    prefixes = [name.removesuffix(needed[0]) for name in whole.tensors if name.endswith(f".{needed[0]}")]
    fitting = [] if fits("") else [prefix for prefix in prefixes if fits(prefix)]
    if len(fitting) > 1:
        raise UserError(
            f"weights must be of one network, but {whole.origin} holds {len(fitting)}: "
            f"{listed([prefix.rstrip('.') for prefix in fitting])}.",
            "save the tensors of the one that is meant.",
        )
    if not fitting:
        return whole
    named = {
        name.removeprefix(fitting[0]): tensor for name, tensor in whole.tensors.items() if name.startswith(fitting[0])
    }
    return replace(whole, tensors=named)


def _widened(name: str, tensor: Tensor, origin: str) -> Tensor:
    """The tensor in float32. UserError: no network computes with its type, or its numbers are not finite."""
    kind = _odd_kind(tensor)
    if kind is None and not tensor.is_floating_point() and not name.endswith(_COUNTER):
        kind = str(tensor.dtype)
    if kind is not None:
        raise UserError(
            f"weights must be plain floating-point tensors, but {name} in {origin} is {kind}.",
            "save them anew from the network on a CPU: model.float().state_dict().",
        )
    values = tensor.detach().float().clone()
    if not bool(values.isfinite().all()):
        raise UserError(
            f"weights must be finite numbers, but {name} in {origin} holds NaN or infinity.",
            "the training diverged, or the file is damaged: take other weights.",
        )
    return values


def _odd_kind(tensor: Tensor) -> str | None:
    if tensor.is_meta:
        return "on the meta device, without values"
    if tensor.layout != torch.strided:
        return "sparse"
    return "quantised" if tensor.is_quantized else None


def _random(network: Network, seed: int) -> tuple[dict[str, Tensor], str]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return dict(network.build().state_dict()), f"random (seed {seed})"
