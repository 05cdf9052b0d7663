"""DFM: the components of scikit-learn, the errors of anomalib's own model, pooled cells, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from adtrack.detectors.dfm import Dfm, DfmSpec
from adtrack.detectors.principal_components import PooledMaps, PrincipalComponents
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from tests.detectors.fitting import fitted

Synthetic = Callable[..., FeatureSet]
LAYERS = ("a", "b")


def maps(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    """Maps that vary in a few directions by far the most."""
    draws = torch.Generator().manual_seed(seed)
    size = int(np.prod(shape))
    spread = torch.logspace(1, -2, count)[:, None]
    directions = torch.randn(count, size, generator=draws)
    return (torch.randn(count, count, generator=draws) @ (spread * directions) + 3).view(count, *shape)


@pytest.mark.parametrize("variance", [0.3, 0.9, 0.97, 0.9999, 1.0])
def test_the_components_are_those_of_scikit_learn(variance):
    train, test = maps(12, 5, 3, 2), maps(4, 5, 3, 2, seed=1)
    found = PrincipalComponents.fit(train.split(1), variance)
    rows = train.flatten(1).double().numpy()
    reference = PCA(n_components=variance if variance < 1 else 11, svd_solver="full").fit(rows)
    assert len(found) == reference.n_components_
    products = np.abs(found.axes.flatten(1).double().numpy() @ reference.components_.T)
    assert np.allclose(products, np.eye(len(found)), atol=1e-5)
    seen = test.flatten(1).double().numpy()
    errors = (seen - reference.inverse_transform(reference.transform(seen))) ** 2
    scores = found.score(test)
    assert np.allclose(scores.image, errors.sum(axis=1), rtol=1e-4)
    assert np.allclose(scores.patches, errors.reshape(4, 5, 3, 2).sum(axis=1), rtol=1e-3, atol=1e-4)


def test_the_errors_are_those_of_anomalibs_model():
    from anomalib.models.image.dfm.torch_model import DFMModel

    train, test = maps(10, 4, 3, 3), maps(3, 4, 3, 3, seed=1)
    model = DFMModel("resnet18", "layer3", pre_trained=False, n_comps=0.9)
    model.memory_bank = [train.flatten(1)]
    model.fit()
    image, patches = model.score(test.flatten(1).clone(), test.shape)  # it subtracts the mean in place
    found = PrincipalComponents.fit(train.split(1), 1.0)
    kept = int(model.pca_model.num_components)
    assert kept == len(PrincipalComponents.fit(train.split(1), 0.9)) - 1  # anomalib stops one short
    scores = PrincipalComponents(found.mean, found.axes[:kept]).score(test)
    assert np.allclose(scores.image, image.numpy(), rtol=1e-3)
    assert np.allclose(scores.patches, patches[:, 0].numpy(), rtol=1e-2, atol=1e-3)


def test_cells_are_averaged_and_their_grid_says_where():
    ramp = torch.arange(5.0).expand(1, 2, 5, 5)
    made = PooledMaps(("a",), {"a": Grid(1.0, 4.0)}, 0.0, 2)
    assert made.grid == Grid(3.0, 8.0)
    assert made({"a": ramp})[0, 0].tolist() == [[0.5, 2.5, 4.0]] * 3  # the last square has one column


def test_images_without_a_difference_are_refused(synthetic: Synthetic, tmp_path: Path):
    for train in (maps(1, 2, 3, 3), torch.ones(4, 2, 3, 3)):
        with pytest.raises(UserError, match="at least 2 different training images"):
            PrincipalComponents.fit(train.split(1), 0.97)
    with pytest.raises(UserError, match="dfm pooling must be at most the"):
        fitted(synthetic(), DfmSpec(LAYERS, pooling=50), tmp_path)
    with pytest.raises(UserError, match=r"dfm variance must be in \(0, 1\], but got 0"):
        DfmSpec(LAYERS, variance=0)


def test_maps_of_another_size_are_refused():
    with pytest.raises(UserError, match=r"the shape \(2, 3, 3\) of those that DFM was fitted to"):
        PrincipalComponents.fit(maps(4, 2, 3, 3).split(1), 0.97).score(maps(1, 2, 3, 4))


def test_more_components_leave_less(synthetic: Synthetic, tmp_path: Path):
    few, many = (fitted(synthetic(), DfmSpec(LAYERS, variance=share, pooling=1), tmp_path) for share in (0.3, 1.0))
    seen = synthetic().chunk(0, 6, LAYERS)
    assert isinstance(few, Dfm) and few.rows < many.rows == 5  # six images differ in five directions
    assert (many.score(seen).image < 1e-6 * few.score(seen).image.max()).all()
