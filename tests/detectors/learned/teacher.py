"""Views and what a small network with random weights makes of them, as a feature store would give them."""

import functools

import numpy as np
import torch
from torch import nn

from adtrack.config import VIEW
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import VIEW_GRID, Grid
from adtrack.features.networks import Network

TEACHER = "timm/test_resnet"
TAUGHT = ("layer2", "layer3")  # of 8 × 8 and 4 × 4 cells
SIDE = 64  # pixels of a view


def taught(count: int = 6, seed: int = 0) -> FeatureSet:
    """So many views of noise, and the layers' outputs."""
    views = np.random.default_rng(seed).standard_normal((count, 3, SIDE, SIDE)).astype(np.float32)
    return taught_by(views, f"taught {count} {seed}")


def taught_by(views: np.ndarray, key: str) -> FeatureSet:
    """Views float32 (n, 3, S, S) and the layers' outputs. The network is always the same."""
    teacher, grids = _teacher()
    with torch.no_grad():
        outputs = {layer: output.numpy() for layer, output in teacher(torch.from_numpy(views)).items()}
    return FeatureSet(key, {VIEW: views, **outputs}, {VIEW: VIEW_GRID, **grids}, torch.device("cpu"), SIDE)


@functools.cache
def _teacher() -> tuple[nn.Module, dict[str, Grid]]:
    network = Network(TEACHER)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network.fresh(TAUGHT), network.grids(TAUGHT)
