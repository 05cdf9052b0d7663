"""PaDiM: the scores of anomalib's own model, its random channels, what it refuses, and how quietly it is imported."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adtrack.detectors.padim import Padim, PadimSpec
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from tests.detectors.fitting import fitted

CPU = torch.device("cpu")
VIEW = 64
GRIDS = {"fine": Grid(0, 4), "coarse": Grid(0, 8), "coarsest": Grid(0, 16)}
Synthetic = Callable[..., FeatureSet]


class Pyramid(nn.Module):
    """A network of three layers, from 16 × 16 to 4 × 4 cells of a view of 64 × 64."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 6, 5, stride=4, padding=2)
        self.coarse = nn.Conv2d(6, 9, 3, stride=2, padding=1)
        self.coarsest = nn.Conv2d(9, 12, 3, stride=2, padding=1)

    def forward(self, views: Tensor) -> Tensor:
        return self.coarsest(self.coarse(self.fine(views).relu()).relu())


def spec(**fields: object) -> PadimSpec:
    return PadimSpec(**{"layers": ("a", "b"), "dimensions": 7, **fields})


def fit(features: FeatureSet, of: PadimSpec, tmp_path: Path) -> Padim:
    return fitted(features, of, tmp_path / "orders")


def anomalibs(of: PadimSpec, layers: list[str], train: Tensor):
    """anomalib's own model, fitted to views (n, 3, H, W) as its own training does."""
    from anomalib.models.image.padim.torch_model import PadimModel

    torch.manual_seed(1)
    network = Pyramid()
    torch.manual_seed(of.seed)
    model = PadimModel(network, layers, pre_trained=False, n_features=of.dimensions).train()
    for views in train.split(4):
        model(views)
    model.fit()
    return model.eval()


def features_of(model: nn.Module, views: Tensor) -> FeatureSet:
    with torch.no_grad():
        parts = [model.feature_extractor(part) for part in views.split(4)]  # as in training: a batch shows in the bits
    layers = {layer: torch.cat([part[layer] for part in parts]).numpy() for layer in parts[0]}
    return FeatureSet("pyramid", layers, GRIDS, CPU, VIEW)


@pytest.mark.parametrize(
    ("given", "anomalib_order"),
    [
        (("fine", "coarse", "coarsest"), ["fine", "coarse", "coarsest"]),
        (("coarsest", "fine", "coarse"), ["fine", "coarse", "coarsest"]),  # anomalib needs the finest first
        (("coarsest", "coarse"), ["coarse", "coarsest"]),
        (("fine",), ["fine"]),
    ],
)
@pytest.mark.parametrize(("dimensions", "seed"), [(1, 0), (5, 42)])
def test_scores_are_those_of_anomalibs_own_model(
    given: tuple[str, ...], anomalib_order: list[str], dimensions: int, seed: int, tmp_path: Path
) -> None:
    """To the bit for one image; in a batch the products inside may be summed in another order: 1e-5 of the value."""
    draws = torch.Generator().manual_seed(0)
    train, test = (torch.randn(count, 3, VIEW, VIEW, generator=draws) for count in (9, 4))
    test[2, :, 20:40, 20:40] += 3.0
    of = PadimSpec(given, dimensions, seed=seed)
    model = anomalibs(of, anomalib_order, train)
    detector = fit(features_of(model, train), of, tmp_path)
    assert detector.gaussians.idx.equal(model.idx)
    assert detector.gaussians.mean.equal(model.gaussian.mean)
    assert detector.gaussians.inverse.equal(model.gaussian.inv_covariance)
    with torch.no_grad():
        expected = model(test)
    features = features_of(model, test)
    scores = detector.score(features.chunk(0, 4, given))
    np.testing.assert_allclose(scores.image, expected.pred_score.flatten(), rtol=1e-5)
    for at in range(4):
        embedding = model.generate_embedding(features.chunk(at, at + 1, anomalib_order))
        stats = {"mean": model.gaussian.mean, "inv_covariance": model.gaussian.inv_covariance}
        distances = model.anomaly_map_generator.compute_distance(embedding, list(stats.values()))
        found = model.anomaly_map_generator(embedding=embedding, **stats, image_size=(VIEW, VIEW))
        assert scores.image[at] == found.max() and np.array_equal(scores.patches[at], distances[0, 0])


def test_distances_are_mahalanobis(synthetic: Synthetic, tmp_path: Path) -> None:
    """Against numpy in float64, with anomalib's 0.01 + 1e-5 on the diagonal; 1e-3 is what a float32 inverse leaves."""
    features, of = synthetic(12), spec(dimensions=9)
    detector = fit(features, of, tmp_path)

    def patch(images: FeatureSet, row: int, column: int) -> np.ndarray:
        both = (images.layers["a"][:, :, row, column], images.layers["b"][:, :, row // 2, column // 2])
        return np.concatenate(both, axis=1)[:, detector.gaussians.idx].astype(np.float64)

    probes = synthetic(3, seed=1)
    found = detector.score(probes.chunk(0, 3, of.layers)).patches
    for row, column in ((0, 0), (2, 5), (5, 3)):
        seen = patch(features, row, column)
        inverse = np.linalg.inv(np.cov(seen, rowvar=False) + 0.01001 * np.eye(9))
        apart = patch(probes, row, column) - seen.mean(axis=0)
        expected = np.sqrt(np.einsum("ni,ij,nj->n", apart, inverse, apart))
        np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-3)


def test_images_that_never_vary_have_ordinary_distances(synthetic: Synthetic, tmp_path: Path) -> None:
    """As of a camera that stands still: what is on the diagonal beside the variance is all that there is, 0.01001."""
    features, of = synthetic(1), spec(dimensions=9)
    still = replace(features, layers={name: layer.repeat(6, axis=0) for name, layer in features.layers.items()})
    detector = fit(still, of, tmp_path)
    outputs = still.chunk(0, 1, of.layers)
    assert detector.score(outputs).patches.max() < 1e-3
    moved = detector.score({name: layer + 1 for name, layer in outputs.items()}).patches
    np.testing.assert_allclose(moved, np.sqrt(9 / 0.01001), rtol=1e-3)


def test_the_seed_chooses_the_channels_and_nothing_else_does(synthetic: Synthetic, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = fit(synthetic(), spec(seed=1), tmp_path).gaussians.idx
    torch.manual_seed(2)
    assert fit(synthetic(), spec(seed=1), tmp_path).gaussians.idx.equal(first)
    assert not fit(synthetic(), spec(seed=2), tmp_path).gaussians.idx.equal(first)
    state = torch.random.get_rng_state()
    fit(synthetic(), spec(), tmp_path)
    assert torch.random.get_rng_state().equal(state)
    assert sorted(fit(synthetic(), spec(dimensions=12), tmp_path).gaussians.idx.tolist()) == list(range(12))


def test_the_order_of_layers_does_not_show(synthetic: Synthetic, tmp_path: Path) -> None:
    outputs = synthetic(3, seed=1).chunk(0, 3, ("a", "b"))
    one, other = (fit(synthetic(), spec(layers=layers), tmp_path).score(outputs) for layers in (("a", "b"), ("b", "a")))
    assert np.array_equal(one.image, other.image) and np.array_equal(one.patches, other.patches)


def test_what_it_holds_is_counted(synthetic: Synthetic, tmp_path: Path) -> None:
    detector = fit(synthetic(), spec(dimensions=7), tmp_path)
    assert detector.rows == 36
    assert detector.megabytes == pytest.approx((36 * 7 * 7 * 4 + 36 * 7 * 4 + 7 * 8) / 1e6)


def test_no_greedy_order_is_made(synthetic: Synthetic, tmp_path: Path) -> None:
    fit(synthetic(), spec(), tmp_path)
    assert not (tmp_path / "orders").exists()


def test_what_cannot_be_fitted_is_refused(synthetic: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"padim dimensions must be at most the 12 channels of a\+b, but got 13"):
        fit(synthetic(), spec(dimensions=13), tmp_path)
    with pytest.raises(UserError, match="PaDiM must see at least 2 training images, but got 1"):
        fit(synthetic(1), spec(), tmp_path)
    features = synthetic()
    features.layers["a"][0, 0, 0, 0] = np.nan
    with pytest.raises(UserError, match="finite numbers"):
        fit(features, spec(dimensions=12), tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dimensions": 0}, "padim dimensions must be a whole number of at least 1"),
        ({"dimensions": 2.5}, "padim dimensions must be a whole number"),
        ({"seed": -1}, "seed must be"),
        ({"layers": ()}, "different layer names"),
        ({"layers": ("a", "a")}, "different layer names"),
        ({"method": "patchcore"}, "method must be padim"),
    ],
)
def test_a_wrong_specification_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        spec(**fields)


def test_outputs_of_another_network_or_view_are_refused(synthetic: Synthetic, tmp_path: Path) -> None:
    detector = fit(synthetic(), spec(dimensions=12), tmp_path)
    outputs = synthetic().chunk(0, 1, ("a", "b"))
    with pytest.raises(UserError, match=r"36 positions and more than 11 channels.*36 and 10"):
        detector.score({**outputs, "b": outputs["b"][:, :5]})
    with pytest.raises(UserError, match=r"36 positions.*30 and 12"):
        detector.score({**outputs, "a": outputs["a"][:, :, :5]})


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("mean"),
        lambda tensors: tensors.update(idx=tensors["idx"].int()),
        lambda tensors: tensors.update(idx=torch.zeros_like(tensors["idx"])),
        lambda tensors: tensors.update(idx=tensors["idx"] - 100),
        lambda tensors: tensors.update(mean=tensors["mean"][:, 1:].contiguous()),
        lambda tensors: tensors.update(mean=tensors["mean"].double()),
        lambda tensors: tensors.update(inverse=tensors["inverse"][:, :, 1:].contiguous()),
        lambda tensors: tensors.update(inverse=tensors["inverse"] * np.inf),
        lambda tensors: tensors.update(mean=tensors["mean"][:, :0], inverse=tensors["inverse"][:0]),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    synthetic: Synthetic, tmp_path: Path, change: Callable[[dict], object]
) -> None:
    fit(synthetic(), spec(), tmp_path).save(tmp_path)
    tensors = load_file(tmp_path / "padim.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "padim.safetensors")
    with pytest.raises(UserError, match="PaDiM model must hold its Gaussians"):
        Padim.load(tmp_path, CPU)


@pytest.mark.parametrize("view", [0, 16, -48, 48.0, "48", None, True])
def test_a_view_that_cannot_be_is_refused(synthetic: Synthetic, tmp_path: Path, view: object) -> None:
    fit(synthetic(), spec(), tmp_path).save(tmp_path)
    fields = json.loads((tmp_path / "detector.json").read_text())
    (tmp_path / "detector.json").write_text(json.dumps({**fields, "view": view}))
    with pytest.raises(UserError, match="PaDiM model must say the side of its view"):
        Padim.load(tmp_path, CPU)


QUIET = """
import os, sys, warnings
import adtrack.detectors.gaussians  # torch, which is imported by everything that fits or scores
from adtrack.detectors.padim import Padim
assert not {"anomalib", "lightning", "timm"} & set(sys.modules)
before, filters = dict(os.environ), list(warnings.filters)
Padim.prepare()
assert "anomalib" in sys.modules and dict(os.environ) == before and list(warnings.filters) == filters
assert os.listdir() == []
"""


def test_anomalib_is_imported_late_and_leaves_no_trace(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
