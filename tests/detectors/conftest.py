"""Synthetic layer outputs: two layers of 6 images, as a feature store would give them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., FeatureSet]:
    """Makes a feature set of ``count`` images: layer "a" (5, 6, 6) of stride 8 and layer "b" (7, 3, 3) of stride 16."""

    def make(count: int = 6, seed: int = 0, scale: float = 1.0) -> FeatureSet:
        draws = np.random.default_rng(seed)
        shapes = {"a": (count, 5, 6, 6), "b": (count, 7, 3, 3)}
        layers = {name: (scale * draws.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
        return FeatureSet(
            f"synthetic {count} {seed} {scale}", layers, {"a": Grid(0.0, 8.0), "b": Grid(0.0, 16.0)}, CPU, 48
        )

    return make
