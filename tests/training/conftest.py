"""A tiny training: ten views, a trunk of random weights, one layer that learns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.features.weights import Trunk, load_trunk
from adtrack.training.fine_tuning import FineTuned, fine_tune
from adtrack.training.spec import FineTuneSpec


@pytest.fixture(scope="session")
def trunk() -> Trunk:
    return load_trunk(BackboneSpec("resnet18", "random", 1), ("layer1", "layer2"), "/data")


@pytest.fixture(scope="session")
def views() -> np.ndarray:
    """Ten views with a bright upper part, so that their turns can be told."""
    made = np.random.default_rng(0).integers(0, 120, (10, 32, 32, 3), dtype=np.uint8)
    made[:, :12] += 100
    return made


@pytest.fixture
def tuned(trunk: Trunk, views: np.ndarray) -> Callable[..., FineTuned]:
    """Fine-tunes the trunk: ``tuned("rotation", epochs=2)``."""

    def run(task: str, told: Callable[..., None] = lambda epoch: None, **settings: Any) -> FineTuned:
        spec = FineTuneSpec(task, **{"layers": ("layer1", "layer2"), "epochs": 3, "batch": 4, "lr": 1e-3, **settings})
        return fine_tune(trunk, views, ImageSpec(32, 0), spec, torch.device("cpu"), key="views", told=told)

    return run
