"""A pass decodes each image once and gives the same on every device, and the store keeps its products."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.loading import squeezed, view
from adtrack.data.splits import Splits
from adtrack.features import passes
from adtrack.features.backbone import Backbone
from adtrack.features.passes import Product, Sight, made_of, network_pass, product_pass
from adtrack.features.store import FeatureStore
from adtrack.features.weights import load_trunk

VIEW = ImageSpec(64, 0)


@pytest.fixture(scope="module")
def network() -> Backbone:
    trunk = load_trunk(BackboneSpec("resnet18", "random", 1), ("layer1", "layer2"), "demo")
    return Backbone(trunk, ("layer1", "layer2"), torch.device("cpu"))


def corner(images: ImageSet, key: str, side: int = 5) -> Product:
    """The corner of each image, and in its first pixel the image's place in the set."""

    def make(index: int, image: np.ndarray) -> np.ndarray:
        found = image[:side, :side].copy()
        found[0, 0] = index
        return found

    return Product(key, images, make)


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
def test_outputs_are_those_of_the_network_whatever_the_device(
    train: ImageSet, network: Backbone, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "GPU_BATCH", 3)
    used = OnGpu(network) if gpu else network
    found = list(network_pass(train, lambda index: squeezed(train.image(index), VIEW), Sight(used, VIEW)))
    views = torch.stack([view(train.image(index), VIEW) for index in range(8)])
    for layer, outputs in network(views).items():
        assert torch.cat([one[layer] for one in found]).equal(outputs)
    if isinstance(used, OnGpu):
        assert used.batches == [3, 3, 2]
        assert used.threads == {threading.get_ident()}, "one thread alone talks to the GPU"


def test_products_of_one_image_in_several_domains_come_from_one_decoding(
    tiny_splits: Splits, tiny_data: Path, decoded: Counter[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their order, and each domain is computed once."""
    clean, shift = (image_set(tiny_splits, tiny_data, "train", domain) for domain in ("clean", "shift"))
    expected = {f"{images.name} {side}": expected_corners(images, side) for images in (clean, shift) for side in (5, 7)}
    decoded.clear()
    seen, see = Counter(), ImageSet.seen
    monkeypatch.setattr(ImageSet, "seen", lambda *each: seen.update([each[0].name]) or see(*each))
    order = ((clean, 5), (shift, 5), (clean, 7), (shift, 7))
    found = list(product_pass([corner(images, f"{images.name} {side}", side) for images, side in order]))
    assert set(decoded.values()) == {1} and len(decoded) == len(found) == 8
    assert seen == {"train_clean": 8, "train_shift": 8}
    for key, corners in expected.items():
        made = np.stack([one[key] for one in found])
        assert np.array_equal(made, corners) and made.dtype == np.uint8


@pytest.mark.parametrize(("large", "most"), [(64 * 64 - 1, 1), (64 * 64, 4)])
def test_large_images_go_through_their_domains_one_at_a_time(
    train: ImageSet, monkeypatch: pytest.MonkeyPatch, large: int, most: int
) -> None:
    monkeypatch.setattr(passes, "LARGE", large)
    under_way, counts = [0], []
    together = threading.Barrier(most)

    def make(index: int, image: np.ndarray) -> np.ndarray:
        under_way[0] += 1
        together.wait(timeout=60)
        counts.append(under_way[0])
        together.wait(timeout=60)
        under_way[0] -= 1
        return image[:1, :1]

    product, image = Product("a", train, make), train.image(0)
    assert image.shape == (64, 64, 3)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: made_of([product], index, image), range(8)))
    assert max(counts) == most


def test_a_product_beside_the_features_is_made_in_their_pass_and_read_by_another_store(
    tmp_path: Path, train: ImageSet, network: Backbone, decoded: Counter[int]
) -> None:
    FeatureStore(tmp_path).features(train, network, VIEW, [corner(train, "a" * 64)])
    made = np.array(FeatureStore(tmp_path).product(corner(train, "a" * 64), "Corners"))
    assert set(decoded.values()) == {1} and np.array_equal(made, expected_corners(train))


def test_features_that_are_known_need_no_pass_for_what_is_beside_them(
    tmp_path: Path, train: ImageSet, network: Backbone, decoded: Counter[int]
) -> None:
    store = FeatureStore(tmp_path)
    store.features(train, network, VIEW)
    store.features(train, network, VIEW, [corner(train, "a" * 64)])
    assert set(decoded.values()) == {1} and not (tmp_path / ("a" * 64)).exists()
    made = store.product(corner(train, "a" * 64), "Corners")
    assert set(decoded.values()) == {2} and np.array_equal(made, expected_corners(train))
    store.product(corner(train, "a" * 64), "Corners")


def test_a_product_that_is_known_is_not_made_again_with_the_features(
    tmp_path: Path, train: ImageSet, network: Backbone
) -> None:
    store = FeatureStore(tmp_path)
    store.product(corner(train, "a" * 64), "Corners")
    before = (tmp_path / ("a" * 64) / "features.npy").stat()
    store.features(train, network, VIEW, [corner(train, "a" * 64)])
    assert (tmp_path / ("a" * 64) / "features.npy").stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", [b"", b"garbage" * 50])
def test_a_damaged_product_is_made_again(tmp_path: Path, train: ImageSet, content: bytes) -> None:
    store = FeatureStore(tmp_path)
    store.product(corner(train, "a" * 64), "Corners")
    file = tmp_path / ("a" * 64) / "features.npy"
    file.unlink()  # what is open stays readable
    file.write_bytes(content)
    assert np.array_equal(store.product(corner(train, "a" * 64), "Corners"), expected_corners(train))


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
    made = FeatureStore(tmp_path).product(corner(train, "b" * 64), "Corners")
    assert np.array_equal(made, expected_corners(train))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["b" * 64]
