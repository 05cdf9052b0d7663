"""Whitening by its definition, and what a damaged file of it says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from adtrack.detectors.patch_space import FILE, PatchSpace, Whitening, unit_vectors
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet

CPU = torch.device("cpu")


def test_whitened_patches_have_the_covariance_that_shrinkage_leaves() -> None:
    draws = np.random.default_rng(0)
    images = [draws.normal(size=(50, 4)) @ draws.normal(size=(4, 4)) + 100 for _ in range(6)]
    for shrinkage in (0.05, 1.0):
        whitening = Whitening.fit((torch.tensor(image, dtype=torch.float32) for image in images), shrinkage)
        every = np.concatenate(images)
        covariance = np.cov(every.T, bias=True)
        shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 4 * np.eye(4)
        matrix = whitening.matrix.double().numpy()
        np.testing.assert_allclose(whitening.mean.numpy(), every.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(matrix @ shrunk @ matrix.T, np.eye(4), atol=1e-3)
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
        found = whitening(torch.tensor(images[0][None], dtype=torch.float32))[0].numpy()
        np.testing.assert_allclose(found, (images[0] - every.mean(axis=0)) @ matrix, atol=1e-3)


def test_a_space_without_whitening_is_the_merged_layers(synthetic: Callable[..., FeatureSet]) -> None:
    features = synthetic()
    train = TrainingSet(features, ("a", "b"))
    spec = PatchCoreSpec(layers=("a", "b"))
    plain, whitened = PatchSpace.fit(spec, train), PatchSpace.fit(PatchCoreSpec(layers=("a", "b"), whiten=0.1), train)
    outputs = features.chunk(0, 3, spec.layers)
    assert plain.whitening is None and whitened.whitening is not None
    assert plain.about == {"layers": ("a", "b"), "patch": 3} and set(whitened.about) > set(plain.about)
    assert torch.equal(
        whitened.patches(outputs)[1, 2, 3], whitened.whitening(plain.patches(outputs).flatten(1, 2))[1, 15]
    )


@pytest.mark.parametrize(
    "tensors",
    [
        {"mean": torch.zeros(3)},
        {"mean": torch.zeros(3), "matrix": torch.zeros(3, 2)},
        {"mean": torch.zeros(3), "matrix": torch.full((3, 3), torch.nan)},
        {"mean": torch.zeros(3, dtype=torch.float64), "matrix": torch.zeros(3, 3)},
    ],
)
def test_a_damaged_whitening_is_refused(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, tmp_path / FILE)
    with pytest.raises(UserError, match="whitens its patches"):
        Whitening.load(tmp_path, CPU)


def test_unit_vectors_have_the_directions_of_patches_and_zeros_stay() -> None:
    draws = torch.Generator().manual_seed(0)
    patches = torch.randn(4, 3, 5, 33, generator=draws) * torch.tensor([1e-30, 1.0, 300.0, 1e15]).view(4, 1, 1, 1)
    patches[1, 2, 3] = 0
    found = unit_vectors(patches)
    wide = patches.double().numpy()
    lengths = np.linalg.norm(wide, axis=3, keepdims=True)
    expected = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    assert found.dtype == torch.float32 and np.abs(found.numpy() - expected).max() < 1e-7
    assert not found[1, 2, 3].any()
    for at in range(4):
        assert torch.equal(unit_vectors(patches[at : at + 1].clone()), found[at : at + 1])


def test_whitening_comes_before_directions(synthetic: Callable[..., FeatureSet]) -> None:
    features = synthetic()
    train, outputs = TrainingSet(features, ("a", "b")), features.chunk(0, 3, ("a", "b"))
    whitened = PatchSpace.fit(PatchCoreSpec(layers=("a", "b"), whiten=0.1), train)
    both = PatchSpace.fit(PatchCoreSpec(layers=("a", "b"), whiten=0.1, distance="cosine"), train)
    assert torch.equal(both.patches(outputs), unit_vectors(whitened.patches(outputs)))
    assert both.about == {**whitened.about, "cosine": True}


@pytest.mark.parametrize("stride", [2, 3, 6, 7])
@pytest.mark.parametrize("layers", [("a", "b"), ("a",), ("b", "a")])
def test_a_stride_leaves_patches_out(
    synthetic: Callable[..., FeatureSet], stride: int, layers: tuple[str, ...]
) -> None:
    features = synthetic()
    outputs = features.chunk(0, 2, layers)
    all_of_them = PatchSpace.of(PatchCoreSpec(layers=layers), features.grids)
    some = PatchSpace.of(PatchCoreSpec(layers=layers, stride=stride), features.grids)
    found = some.patches(outputs)
    assert torch.equal(found, all_of_them.patches(outputs)[:, ::stride, ::stride])
    assert some.count(outputs) == found.shape[1] * found.shape[2]
    centres = some.grid.centres(found.shape[1])
    assert np.array_equal(centres, all_of_them.grid.centres(6)[::stride]) and some.about["stride"] == stride
