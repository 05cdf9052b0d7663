"""timm's networks, convolutional ones and transformers, by timm's names: NAME, or NAME.TAG for other weights than the
usual ones."""

from __future__ import annotations

import contextlib
import difflib
import io
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ...config import NetworkLayers, Normalisation
from ...errors import UserError
from ...findings import listed
from ..grids import Grid
from .interface import NetworkLibrary
from .packaged import LITE0, PACKAGE, packaged_file, packaged_weights
from .timm_part import Part, usual_layers

if TYPE_CHECKING:
    from timm.models import PretrainedCfg


class Timm(NetworkLibrary):
    """timm's networks. timm is imported when one of them is used: that takes longer than most of adtrack's verbs."""

    title = "timm"
    requires = ("timm",)

    def build(self, name: str) -> nn.Module:
        """The network with timm's own initialisation, for views of any size if it has any."""
        return _create(name, pretrained=False)

    def cut(self, network: nn.Module, layers: Sequence[str]) -> nn.Module:
        """The network up to the deepest layer."""
        return Part(network, layers)

    def layers(self, network: nn.Module) -> NetworkLayers:
        """Three blocks of a transformer, after its final norm; of others the ends of the stages at strides 8 and 16."""
        return usual_layers(network)

    def grids(self, network: nn.Module, layers: Sequence[str]) -> dict[str, Grid]:
        """Measured, but for transformers, whose patches tile the view."""
        assert isinstance(network, Part)
        return network.grids()

    def check_size(self, network: nn.Module, size: int) -> None:
        """A transformer takes multiples of its patch."""
        assert isinstance(network, Part)
        network.check_size(size)

    def settle(self, module: nn.Module, size: int) -> None:
        """A transformer's position embedding is brought to the size of its grid."""
        if isinstance(module, Part):
            module.settle(size)

    def normalisation(self, name: str) -> Normalisation:
        """That of the tag."""
        found = _configuration(name)
        return Normalisation(_three(found.mean), _three(found.std))

    def interpolation(self, name: str) -> str:
        """That of the tag."""
        return _configuration(name).interpolation

    def licence(self, name: str) -> str:
        """That of the tag's weights, as timm calls it."""
        return _configuration(name).license or "unknown"

    def pretrained(self, name: str) -> tuple[dict[str, Tensor], str]:
        """The tag's weights, downloaded once from the Hugging Face hub; timm reads nothing but tensors from them.

        Those of EfficientNet-Lite0 lie in a package that is installed with adtrack.
        """
        file = packaged_file() if name == LITE0 else None
        if file:
            return packaged_weights(file, self.build(name).state_dict()), f"package {PACKAGE}"
        found = _configuration(name)
        if not found.has_weights:
            raise UserError(
                f"weights imagenet must be known to timm, but it has none for {name}.",
                "its names with weights: timm.list_pretrained() in Python.",
            )
        with contextlib.redirect_stdout(io.StringIO()):
            network = _create(name, pretrained=True)
        return dict(network.state_dict()), f"timm {found.architecture}.{found.tag}"


def _create(name: str, pretrained: bool) -> nn.Module:
    """One of timm's networks in eval mode. UserError: there is none of this name."""
    import timm

    if _configuration(name).fixed_input_size:
        with contextlib.suppress(TypeError):  # only transformers have this option
            transformer: nn.Module = timm.create_model(name, pretrained=pretrained, dynamic_img_size=True)
            return transformer.eval()
    network: nn.Module = timm.create_model(name, pretrained=pretrained)
    return network.eval()


def _configuration(name: str) -> PretrainedCfg:
    """What timm says of a name and its tag. UserError: it knows none such."""
    import timm
    from timm.models import get_arch_pretrained_cfgs

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        raise UserError(
            f"backbone must be one of timm's networks, but got {f'timm/{name}'!r}.",
            f"did you mean {listed([f'timm/{one}' for one in near])}?"
            if near
            else "timm/convnext_tiny and timm/vit_small_patch14_dinov2 are two of them.",
        )
    tagged = get_arch_pretrained_cfgs(architecture)
    if tag and name not in tagged:
        raise UserError(
            f"the tag of timm/{architecture} must be one of {listed(_tags(tagged))}, but got {tag!r}.",
            f"timm/{architecture} takes the usual one.",
        )
    found = timm.get_pretrained_cfg(name)
    assert found is not None
    return found


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _tags(names: Collection[str]) -> list[str]:
    return [tag for tag in (name.partition(".")[2] for name in names) if tag]
