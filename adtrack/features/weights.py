"""Weights of a backbone: found, checked, cut down to the tensors that are used, and named by their SHA-256."""

import contextlib
import hashlib
import io
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..cache import cache_folder
from ..config import DEMO, IMAGENET, RANDOM, BackboneSpec
from ..errors import UserError
from .networks import build_network, cut_shapes


@dataclass(frozen=True)
class Trunk:
    """The tensors of ``network`` (a torchvision name) up to the deepest layer used, and where they came from."""

    network: str
    tensors: dict[str, Tensor]
    origin: str
    fell_back: bool = False

    @property
    def sha256(self) -> str:
        """SHA-256 over names, types, shapes and bytes of all tensors, whatever file they came in."""
        state = hashlib.sha256(self.network.encode())
        for name in sorted(self.tensors):
            tensor = self.tensors[name].contiguous()
            state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            state.update(tensor.view(torch.uint8).numpy() if tensor.ndim else tensor.numpy().tobytes())
        return state.hexdigest()

    def require(self, shapes: Mapping[str, torch.Size]) -> None:
        """Raise UserError if a tensor of these names is missing, or has another shape."""
        missing = [name for name in shapes if name not in self.tensors]
        if missing:
            raise UserError(
                f"weights must hold every tensor that the layers use, but {self.origin} lacks {missing[0]}"
                + (f" and {len(missing) - 1} more." if len(missing) > 1 else "."),
                f"it must be a {self.network} with torchvision's names, at least up to the deepest layer.",
            )
        for name, shape in shapes.items():
            if self.tensors[name].shape != shape:
                raise UserError(
                    f"weights must fit {self.network}, but {name} has shape {tuple(self.tensors[name].shape)} in "
                    f"{self.origin} and {tuple(shape)} in the network."
                )

    def save(self, file: Path) -> None:
        """Write the tensors as safetensors."""
        save_file({name: tensor.contiguous() for name, tensor in self.tensors.items()}, file)

    @classmethod
    def load(cls, file: Path, network: str, sha256: str, origin: str) -> "Trunk":
        """Read tensors written by ``save``; they must be the ones that ``sha256`` names."""
        trunk = cls(network, _read_file(file), origin)
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

    Only ``data="demo"`` may fall back from ImageNet weights that cannot be had to random ones: the demo is there to try
    adtrack out. The trunk says so (``fell_back``).
    """
    shapes = cut_shapes(spec.name, layers)
    fell_back = False
    if spec.weights == IMAGENET:
        try:
            tensors, origin = _imagenet(spec.name)
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: not the bytes that the hash promises
            if data != DEMO:
                raise UserError(
                    f"weights imagenet must be downloadable or in torch's cache, but {spec.name} is not ({error}).",
                    "pass weights=FILE (.pth or .safetensors with torchvision's names); weights=random is for trying "
                    "things out.",
                ) from error
            fell_back = True
            tensors, origin = _random(spec)
    elif spec.weights == RANDOM:
        tensors, origin = _random(spec)
    else:
        tensors, origin = _read_file(Path(spec.weights).expanduser()), Path(spec.weights).name
    return _cut(Trunk(spec.name, tensors, origin, fell_back), shapes)


def _cut(whole: Trunk, shapes: dict[str, torch.Size]) -> Trunk:
    # Batch norm's counters are part of the state but never read in eval mode, and converted files leave them out.
    counters = {name: torch.zeros(shape) for name, shape in shapes.items() if name.endswith("num_batches_tracked")}
    tensors = {**counters, **whole.tensors}
    replace(whole, tensors=tensors).require(shapes)
    return replace(whole, tensors={name: tensors[name].detach().float().clone() for name in shapes})


def _random(spec: BackboneSpec) -> tuple[dict[str, Tensor], str]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return dict(build_network(spec.name).state_dict()), f"random (seed {spec.seed})"


def _imagenet(network: str) -> tuple[dict[str, Tensor], str]:
    """torchvision's V1 weights; it downloads them once and checks the hash in their name. OSError, HTTPException
    or RuntimeError if it can't."""
    known = {weights.name: weights for weights in torchvision.models.get_model_weights(network)}
    if "IMAGENET1K_V1" not in known:
        raise UserError(f"weights imagenet must exist as torchvision's V1, but {network} has {', '.join(known)}.")
    weights = known["IMAGENET1K_V1"]
    with contextlib.redirect_stdout(io.StringIO()):  # torch says "Downloading" there before it knows whether it can
        state = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    return state, f"torchvision {weights}"


def _read_file(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise UserError(f"weights must be imagenet, random or a file, but there is no file {str(file)!r}.")
    try:
        if file.suffix == ".safetensors":
            content = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a parser makes of hostile bytes, the file is not usable
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"weights must be a readable .pth or .safetensors file of tensors, but {file.name} is not ({reason})."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"weights must be a mapping from names to tensors, but {file.name} holds something else.")
    return content
