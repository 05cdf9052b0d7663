"""From image to metric the same bits, whatever the number of threads and however the work is cut up."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, DataSpec, DetectorSpec, ImageSpec
from adtrack.detectors import DETECTORS, scoring
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order
from adtrack.detectors.dfm import DfmSpec
from adtrack.detectors.exact.codes import fast_bytes
from adtrack.detectors.exact.plan import SearchPlan
from adtrack.detectors.knn import KnnSpec
from adtrack.detectors.learned.fastflow import FastflowSpec
from adtrack.detectors.learned.feature_ae import FeatureAeSpec
from adtrack.detectors.learned.pixel_ae import PixelAeSpec
from adtrack.detectors.learned.reverse_distillation import ReverseDistillationSpec
from adtrack.detectors.learned.skip_ae import SkipAeSpec
from adtrack.detectors.learned.stfpm import StfpmSpec
from adtrack.detectors.learned.vae import VaeSpec
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.training import TrainingSet
from adtrack.detectors.training_patches import TrainingPatches
from adtrack.evaluation.building import BuiltModel
from adtrack.evaluation.building import build as build_detector
from adtrack.evaluation.workbench import Workbench
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid

SMALL = ImageSpec(64, 0)
LAYERS = ("layer2", "layer3")
# 1536 dimensions in 64 patches: on an ordinary processor, both the network and the projection of its features have
# other bits with two threads than with one if nobody sees to it.
NETWORK = BackboneSpec("resnet50", "random", 1)
SPECS: dict[str, DetectorSpec] = {
    "patchcore": PatchCoreSpec(LAYERS, coreset_fraction=0.1, seed=3),
    "padim": PadimSpec(LAYERS, dimensions=40),
    "knn": KnnSpec(LAYERS, neighbours=2),
    "dfm": DfmSpec(LAYERS),
    "feature_ae": FeatureAeSpec(LAYERS, latent=8, epochs=2),
    "fastflow": FastflowSpec(LAYERS, flow_steps=2, epochs=2),
    "pixel_ae": PixelAeSpec("ssim", width=4, epochs=2),
    "skip_ae": SkipAeSpec(width=4, epochs=2),
    "vae": VaeSpec(width=4, epochs=2),
    "reverse_distillation": ReverseDistillationSpec(("layer1", "layer2"), epochs=2),
    "stfpm": StfpmSpec(LAYERS, epochs=1),
}
# Other sizes of all pieces that work is cut into, and the encoding that this processor would not choose.
PIECES = SearchPlan(
    encoding="principal" if fast_bytes() else "codes",
    encoded_at_once=100,
    sample=100,
    tile=(64, 128),
    crowd=40,
    pairs=1000,
    queries=100,
    products=1000,
    numbers=10_000,
    sample_above=100,
    rows=100,
    centres=32,
    active=40,
)
Values = dict[str, np.ndarray]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def differing(one: Values, other: Values) -> list[str]:
    return [name for name in one if not np.array_equal(one[name], other[name], equal_nan=True)]


def values(built: BuiltModel) -> Values:
    """Everything that is computed on the way from images to metrics."""
    detector = built.scorer.detector
    found = {name: getattr(detector, name).numpy() for name in ("mean", "inverse") if hasattr(detector, name)}
    if hasattr(detector, "bank"):
        found |= {"bank": detector.bank.patches.numpy()}
    if hasattr(detector, "origins"):
        found |= {"origins": detector.origins}
    for evaluation in built.evaluations:
        scored, name = evaluation.scored, evaluation.name
        found |= {f"{name} scores": scored.scores}
        if scored.maps is None:
            continue
        found |= {f"{name} patches {at}": scored.maps.patches(at) for at in range(len(scored.maps))}
        found |= {f"{name} map {at}": heat for at, heat in enumerate(scored.maps)}
        found |= {f"{name} {metric}": np.array(value) for metric, value in evaluation.metrics.items()}
    return found


Build = Callable[..., tuple[Workbench, BuiltModel]]


@pytest.fixture
def build(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a detector and evaluates it, by default on the class "part"; each ``name`` has a cache of its own."""

    def make(
        spec: DetectorSpec,
        name: str,
        data: DataSpec | None = None,
        view: ImageSpec = SMALL,
        network: BackboneSpec = NETWORK,
    ) -> tuple[Workbench, BuiltModel]:
        monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / name))
        bench = Workbench.open(data or DataSpec("part", str(tiny_data)), view, network, spec.inputs, "cpu")
        return bench, build_detector(bench, spec, ("val_clean", "test_shift"))

    return make


@pytest.mark.parametrize("method", sorted(SPECS))
def test_threads_do_not_show(method: str, build: Build) -> None:
    found = []
    for count in (1, 2, 3):
        with threads(count):
            found.append(values(build(SPECS[method], f"{count} threads")[1]))
    assert len(found[0]) > (30 if DETECTORS[method].has_maps else 2)
    assert not differing(found[0], found[1]) and not differing(found[0], found[2])


def test_threads_do_not_show_in_projected_patches() -> None:
    """Too little to change the order of the patches above, and to be relied on."""
    draws, shapes = np.random.default_rng(0), {"layer2": (2, 512, 8, 8), "layer3": (2, 1024, 4, 4)}
    layers = {name: draws.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    features = FeatureSet("", layers, {"layer2": Grid(0, 8), "layer3": Grid(0, 16)}, torch.device("cpu"), 64)
    found = []
    for count in (1, 2, 3):
        with threads(count):
            found.append(TrainingPatches.of(TrainingSet(features, LAYERS), SPECS["patchcore"]).points())
    assert found[0].equal(found[1]) and found[0].equal(found[2])


@pytest.mark.parametrize("method", sorted(SPECS))
def test_pieces_do_not_show(method: str, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = values(build(SPECS[method], "whole")[1])
    monkeypatch.setattr(scoring, "_PIECE_BYTES", 2**21)
    assert not differing(whole, values(build(SPECS[method], "pieces")[1]))


def test_pieces_do_not_show_in_order_and_neighbours(build: Build) -> None:
    """Of the patches of a network."""
    bench, built = build(SPECS["patchcore"], "whole")
    points = TrainingPatches.of(bench.training_set(SPECS["patchcore"]), SPECS["patchcore"]).points()
    orders = [greedy_order(points, 200, projection=None, plan=plan) for plan in (SearchPlan(), PIECES)]
    assert orders[0].equal(orders[1])
    bank = built.scorer.detector.bank
    for k in (1, 9):
        found = [MemoryBank(bank.patches, plan).nearest(bank.patches.flip(1), k) for plan in (SearchPlan(), PIECES)]
        assert found[0][0].equal(found[1][0]) and found[0][1].equal(found[1][1])


@pytest.mark.parametrize("method", sorted(SPECS))
def test_an_image_by_itself_is_judged_as_in_its_set(method: str, build: Build) -> None:
    """In any order, and by any number of threads."""
    bench, built = build(SPECS[method], "set")
    scored, images = built.evaluations[0].scored, bench.opened.images("val_clean")
    for at, count in ((3, 1), (0, 2), (2, 3)):
        image = images.image(at)
        with threads(count):
            judgement = built.scorer.judge(image)
        assert judgement.score == scored.scores[at]
        if scored.maps is None:
            assert judgement.patches is None
            continue
        assert np.array_equal(judgement.patches, scored.maps.patches(at))
        assert np.array_equal(built.scorer.map(judgement, *image.shape[:2]), scored.maps[at], equal_nan=True)


@pytest.fixture
def tiles(shared: Path, tmp_path: Path) -> DataSpec:
    """A class of a few real images: 8 in Train, 4 in Val, 6 in Test."""
    source, few = shared / "data" / "magnetic_tile", tmp_path / "few" / "tiles"
    for folder, count in {"train/good": 10, "test/good": 4, "test/blowhole": 4}.items():
        (few / folder).mkdir(parents=True)
        for file in sorted((source / folder).iterdir())[:count]:
            shutil.copy(file, few / folder)
    shutil.copytree(source / "ground_truth" / "blowhole", few / "ground_truth" / "blowhole")
    return DataSpec("tiles", str(tmp_path / "few"))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("network", "file", "layers"),
    [
        ("resnet18", "resnet18_imagenet_trunk.pth", ("layer1", "layer2", "layer3")),
        ("squeezenet1_1", "squeezenet1_1_imagenet.safetensors", ("features.7", "features.12")),
    ],
)
def test_threads_do_not_show_with_real_weights_either(
    network: str, file: str, layers: tuple[str, ...], shared: Path, tiles: DataSpec, build: Build
) -> None:
    weights, found = BackboneSpec(network, str(shared / "weights" / file)), []
    for count in (1, 2, 4):
        with threads(count):
            spec = PatchCoreSpec(layers, coreset_fraction=0.02)
            found.append(values(build(spec, f"{count} threads", tiles, ImageSpec(), weights)[1]))
    assert not differing(found[0], found[1]) and not differing(found[0], found[2])
