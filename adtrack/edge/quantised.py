"""Networks with 8-bit weights and activations, and backbones that compute with them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from adtrack.config import VIEW, digest
from adtrack.detectors.scorer import Scorer
from adtrack.edge.formats import INPUT
from adtrack.edge.graph import PIXELS, Normalised, layer_names
from adtrack.edge.libraries import edge_libraries
from adtrack.edge.onnx_file import blank_view, exported, onnx_library, quiet, write_model
from adtrack.edge.sessions import Session
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import Outputs
from adtrack.features.networks import settled

CALIBRATION = 300  # images: NNCF's own number


class NetworkGraph(nn.Module):
    """A normalised view float32 (1, 3, S, S) → the outputs of a backbone's layers, in their order."""

    def __init__(self, network: nn.Module, layers: Sequence[str], size: int) -> None:
        """``size`` is the side of the view."""
        super().__init__()
        self.network = settled(network, size)
        self.layers = tuple(layers)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """float32 (1, C, h, w) for each layer."""
        outputs = self.network(pixels)
        return tuple(outputs[layer] for layer in self.layers)


def write_quantised_network(backbone: Backbone, views: Outputs, file: Path) -> None:
    """Write the backbone's network as an ONNX file that computes with 8 bits.

    The ranges of its activations are those that ``views`` cause, normalised float32 (n, 3, S, S): good images that
    nothing is measured on. A weight has the range of its channel. Equal networks and views give equal bytes.
    UserError: the backbone has no network.
    """
    layers = deep_layers(backbone)
    if backbone.network is None:
        raise UserError("int8 makes a network faster, but this model has none: its method looks at the views alone.")
    with edge_libraries(), quiet():
        import nncf
    network = NetworkGraph(backbone.network, layers, views.shape[-1]).eval()
    model = exported(network, (torch.from_numpy(views[:1]),), [PIXELS], layers)
    chosen = np.unique(np.linspace(0, len(views) - 1, min(len(views), CALIBRATION)).round().astype(int)).tolist()
    with quiet():
        dataset = nncf.Dataset(chosen, lambda at: {PIXELS: views[at : at + 1]})
        model = nncf.quantize(model, dataset, subset_size=len(chosen))
    write_model(model, file, {})


def write_quantised_trunk(scorer: Scorer, network: Path, file: Path) -> None:
    """Write the first half of a model: ``view`` → what the method gets, where the quantised ``network`` gives it."""
    onnx = onnx_library()
    first = exported(Normalised(scorer.image).eval(), (blank_view(scorer),), [INPUT], [PIXELS])
    second = onnx.compose.add_prefix(onnx.load(network), "network/", rename_inputs=False, rename_outputs=False)
    second.ir_version = first.ir_version
    whole = onnx.compose.merge_models(first, second, [(PIXELS, PIXELS)], outputs=list(layer_names(scorer)))
    write_model(whole, file, {})


class QuantisedBackbone(Backbone):
    """A backbone whose network is a quantised one, in a file that ``session`` has opened."""

    def __init__(self, backbone: Backbone, file: Path, session: Session) -> None:
        super().__init__(backbone.trunk, backbone.layers, backbone.device)
        self._session = session
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        self._key = digest({"quantised": content, "session": session.name, "version": session.version})

    @property
    def key(self) -> str:
        """A digest of the quantised network and of what computes it."""
        return self._key

    def _outputs(self, views: Tensor) -> dict[str, Tensor]:
        found = [self._session({PIXELS: view[None].numpy()}) for view in views.cpu()]
        return {layer: torch.cat([_copied(one[layer]) for one in found]) for layer in deep_layers(self)}


def deep_layers(backbone: Backbone) -> tuple[str, ...]:
    """The layers of the backbone's network, without the view."""
    return tuple(layer for layer in backbone.layers if layer != VIEW)


def _copied(output: np.ndarray) -> Tensor:
    """The output as a tensor of its own, with the channels last in memory."""
    return torch.from_numpy(output).clone(memory_format=torch.channels_last)
