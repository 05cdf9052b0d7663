"""Models of small networks with random weights, and pictures for them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from adtrack.config import VIEW, BackboneSpec, DetectorSpec, ImageSpec
from adtrack.data.loading import view
from adtrack.detectors import detector_class
from adtrack.detectors.calibration import Calibration, ColourRange
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.training import TrainingSet
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import FeatureSet
from adtrack.features.weights import Trunk, load_trunk

CPU = torch.device("cpu")
IMAGE = ImageSpec(72, 64)
NETWORK = "timm/test_resnet"
LAYERS = ("layer2", "layer3")  # of 8 × 8 and 4 × 4 cells


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """Pictures uint8 (50, 70, 3), each of another colour."""
    draws = np.random.default_rng(seed)
    shades = [draws.normal(120, 15, (50, 70, 3)) + draws.normal(0, 30, 3) for _ in range(count)]
    return [np.clip(picture, 0, 255).astype(np.uint8) for picture in shades]


def model(spec: DetectorSpec, kept: Path, network: str = NETWORK, image: ImageSpec = IMAGE, count: int = 6) -> Scorer:
    """A model of so many pictures whose threshold lies between their scores."""
    deep = [name for name in spec.inputs if name != VIEW]
    trunk = load_trunk(BackboneSpec(network, "random", 1), deep, "demo") if deep else Trunk.none()
    backbone = Backbone(trunk, spec.inputs, CPU)
    seen = backbone.view(spec.view(image))
    outputs = [backbone(view(picture, seen)[None]) for picture in pictures(count)]
    layers = {name: torch.cat([one[name] for one in outputs]).numpy() for name in spec.inputs}
    features = FeatureSet(f"{network} {image} {count}", layers, backbone.grids, CPU, image.size)
    train = TrainingSet(features, spec.inputs, kept, network=trunk.network)
    kind: Any = detector_class(spec.method)
    detector = kind.fit(train, spec).detector
    threshold = float(np.median(detector.score(features.chunk(0, count, spec.inputs)).image))
    colours = ColourRange(0.0, 1.0) if kind.has_maps else None
    return Scorer(backbone, detector, image, Calibration(threshold, colours), {"class": "part"})
