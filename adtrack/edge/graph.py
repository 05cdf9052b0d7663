"""A whole model as one module of standard operators: the view of an image in, score, label and anomaly map out.

It has two halves, so that one of them can be changed alone: the trunk, which is the view's normalisation and the
network, and the head, which is the method, the threshold and the map.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from adtrack.config import VIEW, ImageSpec, Normalisation
from adtrack.detectors.graphs import drawn_in_view
from adtrack.detectors.scorer import Scorer
from adtrack.features.networks import settled

PIXELS = "pixels"  # the name in graphs of the normalised view, where a method asks for it


def layer_names(scorer: Scorer) -> tuple[str, ...]:
    """The names in graphs of what the trunk gives to the head, in their order."""
    return tuple(PIXELS if name == VIEW else name for name in scorer.detector.spec.inputs)


class Normalised(nn.Module):
    """What ``data.loading.normalised`` makes of a view's pixels."""

    mean: Tensor
    std: Tensor
    smoothing: Tensor

    def __init__(self, image: ImageSpec) -> None:
        super().__init__()
        usual = image.normalisation or Normalisation()
        for name, values in (("mean", usual.mean), ("std", usual.std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1))
        self.smooth = image.smooth
        if self.smooth:  # each axis is one small matrix
            weights = gaussian_filter1d(np.eye(image.size), self.smooth, axis=0, mode="reflect")
            self.register_buffer("smoothing", torch.from_numpy(weights.astype(np.float32)))

    def forward(self, view: Tensor) -> Tensor:
        """Pixels uint8 (1, S, S, 3) → float32 (1, 3, S, S)."""
        scaled = view.permute(0, 3, 1, 2).float() / 255
        if self.smooth:
            scaled = self.smoothing @ scaled @ self.smoothing.T
        return (scaled - self.mean) / self.std


class TrunkGraph(nn.Module):
    """A view → what the method gets of it, in the order of ``layer_names``."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.inputs = tuple(scorer.detector.spec.inputs)
        self.normalised = Normalised(scorer.image)
        network = scorer.backbone.network
        self.network = None if network is None else settled(network, scorer.image.size)

    def forward(self, view: Tensor) -> tuple[Tensor, ...]:
        """uint8 (1, S, S, 3) → float32 (1, C, h, w) for each input of the method."""
        pixels = self.normalised(view)
        outputs = {VIEW: pixels, **({} if self.network is None else self.network(pixels))}
        return tuple(outputs[name] for name in self.inputs)


class HeadGraph(nn.Module):
    """What the method gets of a view → the image's score and label and, if the method has them, its anomaly map."""

    threshold: Tensor

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.inputs, self.side = tuple(scorer.detector.spec.inputs), scorer.image.size
        self.grid, self.smoothing = scorer.detector.grid, scorer.detector.smoothing
        self.method = scorer.detector.graph()
        self.register_buffer("threshold", torch.tensor([least_alarm(scorer.calibration.threshold)]))

    def forward(self, *layers: Tensor) -> tuple[Tensor, ...]:
        """float32 (1, C, h, w) for each input of the method → score float32 (1,), label int64 (1,), which is 1 if the
        image is anomalous, and the anomaly map of the view float32 (1, S, S)."""
        score, cells = self.method(dict(zip(self.inputs, layers, strict=True)))
        judged = score, (score >= self.threshold).long()
        if cells is None or self.grid is None:
            return judged
        return *judged, drawn_in_view(cells, self.grid, self.side, self.smoothing)


class WholeGraph(nn.Module):
    """A view uint8 (1, S, S, 3) → score, label and, if the method has them, the anomaly map; see ``HeadGraph``."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.trunk, self.head = TrunkGraph(scorer), HeadGraph(scorer)

    def forward(self, view: Tensor) -> tuple[Tensor, ...]:
        """Score, label and map."""
        found: tuple[Tensor, ...] = self.head(*self.trunk(view))
        return found


def least_alarm(threshold: float) -> float:
    """The smallest float32 number that is not below the threshold: a float32 score reaches both or neither."""
    near = np.float32(threshold)
    return float(near if near >= threshold else np.nextafter(near, np.float32(np.inf)))
