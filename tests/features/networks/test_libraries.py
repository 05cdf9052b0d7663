"""Another library of networks is one class and one line: everything else takes its networks as they come."""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adtrack.config import BackboneSpec, ImageSpec, LayerChoice, NetworkLayers, Normalisation
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.loading import view
from adtrack.data.splits import Splits
from adtrack.detectors.calibration import Calibration, ColourRange
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.grids import Grid
from adtrack.features.networks import LIBRARIES, Network
from adtrack.features.networks.interface import NetworkLibrary
from adtrack.features.store import FeatureStore
from adtrack.features.weights import Trunk, load_trunk
from tests.detectors.fitting import fitted

CPU = torch.device("cpu")
HALVES = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Squares(nn.Module):
    """Cuts the view into squares of 8 pixels, as a transformer does, and mixes their channels twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 8, stride=8)
        self.mix = nn.Conv2d(6, 4, 1)

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        squares = self.embed(views)
        return {"embed": squares, "mix": self.mix(squares.relu())}


class First(nn.Module):
    """``Squares`` up to its first layer."""

    def __init__(self, network: Squares) -> None:
        super().__init__()
        self.embed = network.embed

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        return {"embed": self.embed(views)}


class Toy(NetworkLibrary):
    """A library with one network, whose weights cannot always be had."""

    title = "the toy box"
    offline = False

    def names(self) -> tuple[str, ...]:
        return ("squares/8",)

    def build(self, name: str) -> nn.Module:
        if name not in self.names():
            raise UserError(f"backbone must be one of the toy box, but got {name!r}.")
        return Squares().eval()

    def cut(self, network: nn.Module, layers: Sequence[str]) -> nn.Module:
        return First(network) if list(layers) == ["embed"] else network

    def layers(self, network: nn.Module) -> NetworkLayers:
        return NetworkLayers(LayerChoice.of("embed", "mix"), LayerChoice(("mix",), (("mix",),)))

    def normalisation(self, name: str) -> Normalisation:
        return HALVES

    def pretrained(self, name: str) -> tuple[dict[str, Tensor], str]:
        if self.offline:
            raise HTTPException("no route to the toy box")
        return {
            key: torch.full_like(value, 0.01) for key, value in self.build(name).state_dict().items()
        }, "toy weights"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.setitem(LIBRARIES, "toy", Toy())
    return LIBRARIES["toy"]


@pytest.fixture
def train(tiny_splits: Splits, tiny_data: Path) -> ImageSet:
    return image_set(tiny_splits, tiny_data, "train", "clean")


def toy_backbone(*layers: str, weights: str = "random") -> Backbone:
    return Backbone(load_trunk(BackboneSpec("toy/squares/8", weights, 1), layers, "/data"), layers, CPU)


def test_names_choose_the_library(toy: Toy) -> None:
    assert Network("toy/squares/8").library is toy and Network("resnet18").library is LIBRARIES[""]
    with pytest.raises(UserError, match="one of the toy box, but got 'cubes'"):
        Network("toy/cubes").build()
    for name in ("another/resnet18", "/resnet18", "toy", ""):
        with pytest.raises(UserError, match=f"convolutional torchvision .* but got {name!r}"):
            Network(name).build()


def test_a_trunk_of_another_library(toy: Toy) -> None:
    first, both = toy_backbone("embed"), toy_backbone("embed", "mix", weights="imagenet")
    assert set(first.trunk.tensors) == {"embed.weight", "embed.bias"} and first.trunk.network == "toy/squares/8"
    assert both.trunk.origin == "toy weights" and float(both.trunk.tensors["mix.bias"].mean()) == pytest.approx(0.01)
    assert both.grids == {"embed": Grid(3.5, 8), "mix": Grid(3.5, 8)}
    assert both.view(ImageSpec(64, 0)).normalisation == HALVES
    with pytest.raises(UserError, match="a toy/squares/8 with the toy box's names"):
        Backbone(first.trunk, ("mix",), CPU)


def test_weights_that_cannot_be_had(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "offline", True)
    assert load_trunk(BackboneSpec("toy/squares/8"), ("embed",), "demo").fell_back
    with pytest.raises(UserError, match=r"but toy/squares/8 is not \(no route.*with the toy box's names"):
        load_trunk(BackboneSpec("toy/squares/8"), ("embed",), "/data")


def test_features_and_models_take_the_librarys_normalisation(toy: Toy, train: ImageSet, tmp_path: Path) -> None:
    backbone = toy_backbone("embed", "view")
    features = FeatureStore(tmp_path / "store").features(train, backbone, ImageSpec(64, 0))
    expected = view(train.image(3), ImageSpec(64, 0, HALVES))
    assert features.chunk(3, 4, ["view"])["view"][0].equal(expected)
    assert features.chunk(3, 4, ["embed"])["embed"].equal(backbone(expected[None])["embed"])
    given = FeatureStore(tmp_path / "store").features(train, backbone, ImageSpec(64, 0, Normalisation()))
    assert given.key != features.key and not np.array_equal(given.layers["embed"], features.layers["embed"])


@pytest.mark.parametrize("normalisation", [None, Normalisation()])
def test_a_model_with_a_network_of_another_library(
    toy: Toy, train: ImageSet, tmp_path: Path, normalisation: Normalisation | None
) -> None:
    image, backbone = ImageSpec(64, 0, normalisation), toy_backbone("embed")
    features = FeatureStore(tmp_path / "store").features(train, backbone, image)
    detector = fitted(features, PatchCoreSpec(layers=("embed",)), tmp_path / "orders")
    scorer = Scorer(backbone, detector, image, Calibration(1.0, ColourRange(0.0, 2.0)), {})
    scorer.save(tmp_path / "model", with_trunk=True)
    read = Scorer.load(tmp_path / "model", CPU, lambda run, path: "")
    picture = train.image(0)
    assert read.judge(picture).score == scorer.judge(picture).score
    assert read.image == scorer.image == ImageSpec(64, 0, normalisation or HALVES, interpolation="bilinear")


def test_the_name_of_a_network_is_part_of_its_trunks_digest(toy: Toy) -> None:
    tensors = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3.0)}
    # Studies and models name their trunks by this digest: names without a prefix must stay torchvision's.
    assert Trunk("resnet18", tensors, "").sha256.startswith("83e329a24942e89485d9e7f3f5334724")
    assert Trunk("toy/resnet18", tensors, "").sha256 != Trunk("resnet18", tensors, "").sha256
