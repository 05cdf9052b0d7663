"""A pass decodes each image once and gives the same on every device, and the store keeps its products."""

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import view
from adtrack.features import passes
from adtrack.features.backbone import Backbone
from adtrack.features.passes import Product, Sight, backbone_pass
from adtrack.features.store import FeatureStore
from adtrack.features.weights import load_trunk

VIEW = ImageSpec(64, 0)


@pytest.fixture(scope="module")
def network() -> Backbone:
    trunk = load_trunk(BackboneSpec("resnet18", "random", 1), ("layer1", "layer2"), "demo")
    return Backbone(trunk, ("layer1", "layer2"), torch.device("cpu"))


def corner(key: str, side: int = 5) -> Product:
    """The corner of each image, and in its first pixel the image's place in the set."""

    def make(index: int, image: np.ndarray) -> np.ndarray:
        found = image[:side, :side].copy()
        found[0, 0] = index
        return found

    return Product(key, make)


def expected_corners(images: ImageSet, side: int = 5) -> np.ndarray:
    made = np.stack([images.image(index)[:side, :side] for index in range(len(images))])
    made[:, 0, 0] = np.arange(len(images))[:, None]
    return made


class OnGpu(Backbone):
    """A backbone that says that it is on a GPU, and notes the sizes of its batches and its threads."""

    def __init__(self, network: Backbone) -> None:
        super().__init__(network.trunk, network.layers, network.device)
        self._on_cpu, self.device = network, torch.device("cuda")
        self.batches: list[int] = []
        self.threads: set[int] = set()

    def __call__(self, views: Tensor) -> dict[str, Tensor]:
        self.batches.append(len(views))
        self.threads.add(threading.get_ident())
        return self._on_cpu(views)


@pytest.mark.parametrize("gpu", [False, True])
def test_every_image_is_decoded_once_for_outputs_and_products(
    train: ImageSet, network: Backbone, decoded: Counter[int], gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "GPU_BATCH", 3)
    used = OnGpu(network) if gpu else network
    found = list(backbone_pass(train, Sight(used, VIEW), [corner("a"), corner("b", 7)]))
    assert set(decoded.values()) == {1} and len(decoded) == len(train) == 8
    views = torch.stack([view(train.image(index), VIEW) for index in range(8)])
    for layer, outputs in network(views).items():
        assert torch.cat([one.outputs[layer] for one in found]).equal(outputs)
    for place, side in enumerate((5, 7)):
        made = np.concatenate([one.products[place] for one in found])
        assert np.array_equal(made, expected_corners(train, side)) and made.dtype == np.uint8
    if isinstance(used, OnGpu):
        assert used.batches == [3, 3, 2]
        assert used.threads == {threading.get_ident()}, "one thread alone talks to the GPU"


def test_without_a_network_there_are_products_alone(train: ImageSet) -> None:
    found = list(backbone_pass(train, None, [corner("a")]))
    assert not any(one.outputs for one in found)
    assert np.array_equal(np.concatenate([one.products[0] for one in found]), expected_corners(train))


def test_a_product_beside_the_features_is_made_in_their_pass_and_read_by_another_store(
    tmp_path: Path, train: ImageSet, network: Backbone, decoded: Counter[int]
) -> None:
    FeatureStore(tmp_path).features(train, network, VIEW, [corner("a" * 64)])
    made = np.array(FeatureStore(tmp_path).product(train, corner("a" * 64), "Corners"))
    assert set(decoded.values()) == {1} and np.array_equal(made, expected_corners(train))


def test_features_that_are_known_need_no_pass_for_what_is_beside_them(
    tmp_path: Path, train: ImageSet, network: Backbone, decoded: Counter[int]
) -> None:
    store = FeatureStore(tmp_path)
    store.features(train, network, VIEW)
    store.features(train, network, VIEW, [corner("a" * 64)])
    assert set(decoded.values()) == {1} and not (tmp_path / ("a" * 64)).exists()
    made = store.product(train, corner("a" * 64), "Corners")
    assert set(decoded.values()) == {2} and np.array_equal(made, expected_corners(train))
    store.product(train, corner("a" * 64), "Corners")


def test_a_product_that_is_known_is_not_made_again_with_the_features(
    tmp_path: Path, train: ImageSet, network: Backbone
) -> None:
    store = FeatureStore(tmp_path)
    store.product(train, corner("a" * 64), "Corners")
    before = (tmp_path / ("a" * 64) / "features.npy").stat()
    store.features(train, network, VIEW, [corner("a" * 64)])
    assert (tmp_path / ("a" * 64) / "features.npy").stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", [b"", b"garbage" * 50])
def test_a_damaged_product_is_made_again(tmp_path: Path, train: ImageSet, content: bytes) -> None:
    store = FeatureStore(tmp_path)
    store.product(train, corner("a" * 64), "Corners")
    file = tmp_path / ("a" * 64) / "features.npy"
    file.unlink()  # what is open stays readable
    file.write_bytes(content)
    assert np.array_equal(store.product(train, corner("a" * 64), "Corners"), expected_corners(train))


def test_a_process_that_has_made_the_same_entry_meanwhile_is_no_error(
    tmp_path: Path, train: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes over one set for several networks wait for locks of their own, and all make the same products."""
    rename = Path.rename

    def late(folder: Path, target: Path) -> Path:
        target.mkdir()
        (target / "features.npy").write_bytes(b"of the other process")
        return rename(folder, target)

    monkeypatch.setattr(Path, "rename", late)
    made = FeatureStore(tmp_path).product(train, corner("b" * 64), "Corners")
    assert np.array_equal(made, expected_corners(train))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["b" * 64]
