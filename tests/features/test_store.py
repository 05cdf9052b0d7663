"""The feature store: each pass is made once, whoever asks; crashes leave nothing behind; the limit is kept."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, ImageSpec, Normalisation
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.loading import view
from adtrack.data.splits import Splits
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from adtrack.features.store import FeatureStore, cache_limit, features_when_read
from adtrack.features.weights import Trunk, load_trunk

VIEW = ImageSpec(64, 0)
CPU = torch.device("cpu")


class Counting(Backbone):
    """A backbone that counts the images that it has seen."""

    seen = 0

    def __call__(self, views: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen += len(views)
        return super().__call__(views)


@pytest.fixture(scope="module")
def trunk():
    return load_trunk(BackboneSpec("resnet18", "random", 1), ("layer1", "layer2"), "demo")


@pytest.fixture
def backbone(trunk) -> Counting:
    return Counting(trunk, ("layer1", "layer2"), CPU)


@pytest.fixture
def train(tiny_splits: Splits, tiny_data: Path) -> ImageSet:
    return image_set(tiny_splits, tiny_data, "train", "clean")


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def same(one: FeatureSet, other: FeatureSet) -> bool:
    return one.grids.keys() == other.grids.keys() and all(
        np.array_equal(one.layers[layer], other.layers[layer]) for layer in one.grids
    )


def test_features_are_the_backbones_outputs(tmp_path: Path, train: ImageSet, backbone: Counting) -> None:
    features = FeatureStore(tmp_path).features(train, backbone, VIEW)
    assert len(features) == len(train) == 8 and features.grids == backbone.grids
    expected = backbone(torch.stack([view(train.image(index), VIEW) for index in range(8)]))
    for layer in ("layer1", "layer2"):
        assert features.layers[layer].dtype == np.float32
        assert torch.from_numpy(np.array(features.layers[layer])).equal(expected[layer])
        assert features.chunk(2, 5, [layer])[layer].equal(expected[layer][2:5])


def test_a_pass_is_made_once_and_read_from_disk_by_a_second_store(
    tmp_path: Path, train: ImageSet, backbone: Counting, trunk
) -> None:
    cold = FeatureStore(tmp_path).features(train, backbone, VIEW)
    warm = FeatureStore(tmp_path).features(train, backbone, VIEW)
    other = Counting(trunk, ("layer2", "layer1"), CPU)
    assert same(FeatureStore(tmp_path).features(train, other, VIEW), cold) and same(warm, cold)
    assert (backbone.seen, other.seen) == (8, 0) and warm.key == cold.key
    assert not any(features.layers[layer].flags.writeable for features in (cold, warm) for layer in features.grids)


def test_only_the_missing_layers_are_added(tmp_path: Path, train: ImageSet, trunk) -> None:
    second, both = Counting(trunk, ("layer2",), CPU), Counting(trunk, ("layer1", "layer2"), CPU)
    alone = FeatureStore(tmp_path).features(train, second, VIEW)
    (before,) = entries(tmp_path)
    made = (tmp_path / before / "features.npy").stat()
    together = FeatureStore(tmp_path).features(train, both, VIEW)
    assert len(entries(tmp_path)) == 2 and (tmp_path / before / "features.npy").stat().st_ino == made.st_ino
    assert np.array_equal(alone.layers["layer2"], together.layers["layer2"]) and alone.key == together.key
    assert list(together.grids) == ["layer1", "layer2"] and both.seen == 8


def test_whatever_changes_the_features_has_an_entry_of_its_own(
    tmp_path: Path, tiny_splits: Splits, tiny_data: Path, train: ImageSet, backbone: Counting
) -> None:
    store = FeatureStore(tmp_path)
    contents = dict(train.contents) | {train.records[0].path: "0" * 64}
    other_trunk = load_trunk(BackboneSpec("resnet18", "random", 2), ("layer1", "layer2"), "demo")
    asked = [
        (train, backbone, VIEW),
        (train, backbone, ImageSpec(64, 48)),
        (train, backbone, ImageSpec(96, 64)),
        (train, backbone, ImageSpec(64, 0, Normalisation((0.5, 0.5, 0.5)))),
        (image_set(tiny_splits, tiny_data, "train", "shift"), backbone, VIEW),
        (image_set(tiny_splits, tiny_data, "val", "clean"), backbone, VIEW),
        (dataclasses.replace(train, contents=contents), backbone, VIEW),
        (train, Counting(other_trunk, ("layer1", "layer2"), CPU), VIEW),
    ]
    keys = {store.features(*what).key for what in asked}
    assert store.features(train, backbone, ImageSpec(64, 0, Normalisation())).key in keys  # ImageNet's is the default
    assert len(keys) == len(asked) and len(entries(tmp_path)) == 2 * len(asked)


def test_all_thread_counts_share_the_features(tmp_path: Path, train: ImageSet, trunk, backbone: Counting) -> None:
    """Layers that one thread has added belong to those that two threads have made, to the bit."""
    expected = backbone(torch.stack([view(train.image(index), VIEW) for index in range(8)]))
    before, store = torch.get_num_threads(), FeatureStore(tmp_path)
    try:
        for threads, layers in ((2, ("layer2",)), (1, ("layer1", "layer2")), (3, ("layer1", "layer2"))):
            torch.set_num_threads(threads)
            network = Counting(trunk, layers, CPU)
            features = store.features(train, network, VIEW)
            assert all(torch.from_numpy(np.array(features.layers[name])).equal(expected[name]) for name in layers)
            assert torch.get_num_threads() == threads and (network.seen == 0) is (threads == 3)
    finally:
        torch.set_num_threads(before)
    assert len(entries(tmp_path)) == 2


SCRIPT = """
import sys, time, os, hashlib
from pathlib import Path
import numpy as np
import torch
from adtrack.config import BackboneSpec, ImageSpec
from adtrack.data.layouts import read_class
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.checking import check_images
from adtrack.data.splits import make_splits
from adtrack.features.backbone import Backbone
from adtrack.features.store import FeatureStore
from adtrack.features.weights import load_trunk

root, folder, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
layers = ("layer1", "layer2")
images = read_class(root, "part")
splits = make_splits(images, 42, check_images(root, images.train + images.test))
train = image_set(splits, root, "train", "clean")
backbone = Backbone(load_trunk(BackboneSpec("resnet18", "random", 1), layers, "demo"), layers, torch.device("cpu"))
decode, seen = ImageSet.image, []

def image(images, index):
    seen.append(index)
    if what == "die" and index == 5:
        os.kill(os.getpid(), 9)
    time.sleep(0.05)  # so that the processes meet
    return decode(images, index)

ImageSet.image = image
if what == "meet":
    (folder.parent / f"ready-{os.getpid()}").touch()
    while len(list(folder.parent.glob("ready-*"))) < 2:
        time.sleep(0.01)
features = FeatureStore(folder).features(train, backbone, ImageSpec(64, 0))
digest = hashlib.sha256(b"".join(np.array(features.layers[layer]).tobytes() for layer in layers)).hexdigest()
print(len(seen), digest)
"""


def start(root: Path, folder: Path, what: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), str(folder), what],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_processes_at_once_make_one_pass(
    tmp_path: Path, tiny_data: Path, train: ImageSet, backbone: Counting
) -> None:
    both = [start(tiny_data, tmp_path / "store", "meet") for _ in range(2)]
    printed = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    (one, digest), (two, other) = (out.split() for out, _ in printed)
    assert sorted([one, two]) == ["0", "8"] and digest == other
    assert len(entries(tmp_path / "store")) == 2
    FeatureStore(tmp_path / "store").features(train, backbone, VIEW)
    assert backbone.seen == 0  # and this process reads what they wrote


def test_a_killed_process_leaves_nothing_that_counts(
    tmp_path: Path, tiny_data: Path, train: ImageSet, backbone: Counting
) -> None:
    process = start(tiny_data, tmp_path, "die")
    assert process.communicate(timeout=120) and process.returncode == -signal.SIGKILL
    left = entries(tmp_path)
    assert left and all(name.startswith("tmp-") for name in left)
    store = FeatureStore(tmp_path)
    store.features(train, backbone, VIEW)
    assert backbone.seen == 8 and left < entries(tmp_path)  # it might be another process's work of today
    (tmp_path / "tmp-empty").mkdir()  # killed before its first image
    for name in (*left, "tmp-empty"):
        os.utime(tmp_path / name, (time.time() - 2 * 24 * 3600,) * 2)
    store.features(train, backbone, VIEW)
    assert len(entries(tmp_path)) == 2 and not any(name.startswith("tmp-") for name in entries(tmp_path))


def test_a_failure_in_the_middle_leaves_nothing(
    tmp_path: Path, train: ImageSet, backbone: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = ImageSet.image

    def broken(images: ImageSet, index: int) -> np.ndarray:
        if index == 6:
            raise UserError("image must be readable, but it is corrupt.")
        return decode(images, index)

    with monkeypatch.context() as patch:
        patch.setattr(ImageSet, "image", broken)
        with pytest.raises(UserError, match="it is corrupt"):
            FeatureStore(tmp_path).features(train, backbone, VIEW)
    assert 0 < backbone.seen < 8 and entries(tmp_path) == set()
    assert len(FeatureStore(tmp_path).features(train, backbone, VIEW)) == 8 and len(entries(tmp_path)) == 2


def three_sets(splits: Splits, root: Path) -> list[ImageSet]:
    return [image_set(splits, root, "val", domain) for domain in ("clean", "shift")] + [
        image_set(splits, root, "train", "clean")
    ]


def test_the_least_recently_used_entries_give_way(
    tmp_path: Path, tiny_splits: Splits, tiny_data: Path, trunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, network = FeatureStore(tmp_path), Backbone(trunk, ("layer2",), CPU)
    first, second, third = three_sets(tiny_splits, tiny_data)
    names = []
    for images in (first, second):
        before = entries(tmp_path)
        store.features(images, network, VIEW)
        names += entries(tmp_path) - before
    for age, name in zip((200, 100), names, strict=True):
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store.features(first, network, VIEW)  # now the second is the one used longest ago
    size = sum(file.stat().st_size for file in tmp_path.rglob("features.npy"))
    monkeypatch.setenv("ADTRACK_CACHE_GB", str(1.9 * size / 1e9))  # the third is as large as both
    store.features(third, network, VIEW)
    assert names[0] in entries(tmp_path) and names[1] not in entries(tmp_path) and len(entries(tmp_path)) == 2


def test_entries_in_use_stay_whatever_the_limit(
    tmp_path: Path, tiny_splits: Splits, tiny_data: Path, backbone: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADTRACK_CACHE_GB", "0")
    store = FeatureStore(tmp_path)
    kept = []
    for images in three_sets(tiny_splits, tiny_data):
        kept.append(store.features(images, backbone, VIEW))
        assert len(entries(tmp_path)) == 2
    assert np.isfinite(kept[0].layers["layer1"]).all()  # evicted from the disk, and still readable


def test_an_entry_that_another_process_removes_is_made_again(tmp_path: Path, train: ImageSet, trunk) -> None:
    network = Counting(trunk, ("layer1", "layer2"), CPU)
    store = FeatureStore(tmp_path)
    cold = store.features(train, network, VIEW)
    victim = tmp_path / sorted(entries(tmp_path))[0]
    (victim / "features.npy").unlink()  # half-way through its removal
    assert same(store.features(train, network, VIEW), cold) and network.seen == 16


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 50])
def test_a_damaged_entry_is_made_again(tmp_path: Path, train: ImageSet, trunk, content: bytes | None) -> None:
    network = Counting(trunk, ("layer1", "layer2"), CPU)
    store = FeatureStore(tmp_path)
    cold = store.features(train, network, VIEW)
    file = tmp_path / sorted(entries(tmp_path))[0] / "features.npy"
    damaged = file.read_bytes()[:-9] if content is None else content
    file.unlink()  # what is open stays readable
    file.write_bytes(damaged)
    assert same(store.features(train, network, VIEW), cold) and network.seen == 16
    assert same(store.features(train, network, VIEW), cold) and network.seen == 16


def test_whatever_is_done_to_an_entry_gives_the_same_bits(
    tmp_path: Path, train: ImageSet, trunk, capsys: pytest.CaptureFixture
) -> None:
    """Header, numbers and checksum: flipped bits, blanks, exchanged and lost pieces."""
    network, draws = Counting(trunk, ("layer1",), CPU), np.random.default_rng(0)
    expected = np.array(FeatureStore(tmp_path).features(train, network, VIEW).layers["layer1"])
    (name,) = entries(tmp_path)
    for turn in range(48):
        file = tmp_path / name / ("features.npy", "features.npy", "checksum.json")[turn % 3]
        content = bytearray(file.read_bytes())
        place = int(draws.integers(128 if turn % 6 == 0 else len(content)))
        if turn % 8 < 5:
            content[place] ^= 1 << int(draws.integers(8))
        elif turn % 8 == 5:
            content[place : place + 64] = bytes(len(content[place : place + 64]))
        elif turn % 8 == 6:
            content[-16:], content[-64:-48] = content[-64:-48], content[-16:]
        else:
            content = content[:place]
        file.unlink()
        file.write_bytes(content)
        found = FeatureStore(tmp_path).features(train, network, VIEW).layers["layer1"]
        assert np.array_equal(found, expected) and found.shape == expected.shape
    assert network.seen >= 8 * 45  # nearly each was made again
    assert f"The feature cache held {name[:12]}… damaged; it is made again." in capsys.readouterr().err


def test_an_entry_under_another_ones_name_or_of_an_earlier_version_is_made_again(
    tmp_path: Path, train: ImageSet, trunk
) -> None:
    network = Counting(trunk, ("layer1", "layer2"), CPU)
    store = FeatureStore(tmp_path)
    cold = store.features(train, network, VIEW)
    one, other = sorted(entries(tmp_path))
    shutil.rmtree(tmp_path / one)
    shutil.copytree(tmp_path / other, tmp_path / one)
    assert same(store.features(train, network, VIEW), cold) and network.seen == 16
    (tmp_path / one / "checksum.json").unlink()
    assert same(FeatureStore(tmp_path).features(train, network, VIEW), cold) and network.seen == 24


def test_an_entry_that_is_damaged_while_it_is_in_use_is_made_again_when_it_is_asked_for(
    tmp_path: Path, train: ImageSet, trunk
) -> None:
    network = Counting(trunk, ("layer1",), CPU)
    store = FeatureStore(tmp_path)
    cold = np.array(store.features(train, network, VIEW).layers["layer1"])
    store.features(train, network, VIEW)
    (name,) = entries(tmp_path)
    content = bytearray((tmp_path / name / "features.npy").read_bytes())
    content[-5] ^= 1
    (tmp_path / name / "features.npy").write_bytes(content)
    assert np.array_equal(store.features(train, network, VIEW).layers["layer1"], cold) and network.seen == 16


@pytest.mark.parametrize("text", ["-1", "nan", "many", "10 GB"])
def test_a_limit_that_is_no_number_is_refused_before_the_work(
    text: str, tmp_path: Path, train: ImageSet, backbone: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADTRACK_CACHE_GB", text)
    with pytest.raises(UserError, match=f"ADTRACK_CACHE_GB must be a number of gigabytes, but is {text!r}"):
        FeatureStore(tmp_path).features(train, backbone, VIEW)
    assert backbone.seen == 0


def test_limits_in_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, limit in {"": 20e9, "1.5": 1.5e9, "0": 0}.items():
        monkeypatch.setenv("ADTRACK_CACHE_GB", text)
        assert cache_limit() == limit
    monkeypatch.delenv("ADTRACK_CACHE_GB")
    assert cache_limit() == 20e9


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, train: ImageSet, backbone: Counting) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"feature cache must be writable, but .*file.* is not .*ADTRACK_CACHE"):
            FeatureStore(folder).features(train, backbone, VIEW)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, train: ImageSet, backbone: Counting) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UserError, match="feature cache must be writable"):
            FeatureStore(tmp_path).features(train, backbone, VIEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert entries(tmp_path) == set()


@pytest.mark.parametrize("domain", ["clean", "shift"])
def test_views_have_the_bits_that_the_network_gets(
    tmp_path: Path, tiny_splits: Splits, tiny_data: Path, trunk, domain: str
) -> None:
    images = image_set(tiny_splits, tiny_data, "val", domain)
    network = Counting(trunk, ("view", "layer1"), CPU)
    features = FeatureStore(tmp_path).features(images, network, ImageSpec(64, 48))
    chunk = features.chunk(1, 4, ["view", "layer1"])
    expected = torch.stack([view(images.image(index), ImageSpec(64, 48)) for index in range(1, 4)])
    assert chunk["view"].dtype == torch.float32 and chunk["view"].equal(expected)
    assert network(expected)["layer1"].equal(chunk["layer1"]) and network(expected)["view"].equal(expected)
    assert features.layers["view"].shape == (len(images), 3, 48, 48) and features.grids["view"] == Grid(0.0, 1.0)


def test_views_alone_need_no_network_and_are_made_when_they_are_read(tmp_path: Path, train: ImageSet, trunk) -> None:
    for network in (Counting(trunk, ("view",), CPU), Counting(Trunk.none(), ("view",), CPU)):
        features = FeatureStore(tmp_path / "store").features(train, network, VIEW)
        assert len(features) == 8 and features.layers["view"].shape == (8, 3, 64, 64)
        assert network.seen == 0 and not (tmp_path / "store").exists()
    assert features.chunk(0, 2, ["view"])["view"].shape == (2, 3, 64, 64) and len(entries(tmp_path / "store")) == 1
    nothing = FeatureStore(tmp_path / "store").features(train, Backbone(Trunk.none(), (), CPU), VIEW)
    assert len(nothing) == 8 and nothing.chunk(0, 8, []) == {}


def test_views_are_stored_as_pixels_beside_the_layers_only_if_they_are_wanted(
    tmp_path: Path, train: ImageSet, trunk
) -> None:
    FeatureStore(tmp_path).features(train, Counting(trunk, ("layer2",), CPU), VIEW)
    without = entries(tmp_path)
    FeatureStore(tmp_path).features(train, Counting(trunk, ("view", "layer1"), CPU), VIEW)
    added = [np.load(tmp_path / name / "features.npy") for name in entries(tmp_path) - without]
    assert len(without) == 1
    assert {(array.dtype, array.shape) for array in added} == {
        *((np.dtype(np.uint8), (8, 64, 64, 3)), (np.dtype(np.float32), (8, 64, 16, 16)))
    }


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of a process's memory")
def test_a_large_set_is_read_in_little_memory(tmp_path: Path) -> None:
    def mapped() -> int:
        return 1024 * int(Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0])

    values = np.random.default_rng(0).random((40, 8, 251, 200), dtype=np.float32)  # 1.6 MB each, across pages
    np.save(tmp_path / "features.npy", values)
    stored = np.load(tmp_path / "features.npy", mmap_mode="r")
    features = FeatureSet("", {"layer": stored}, {}, CPU, 64)
    before = mapped()
    for start in (0, 17):
        for at in range(start, 40, 3):
            assert features.chunk(at, at + 3, ["layer"])["layer"].equal(torch.from_numpy(values[at : at + 3]))
        assert mapped() - before < values.nbytes / 8
    assert np.array_equal(stored, values), "what was read is still there"


def test_the_default_folder_is_in_the_cache(own_cache: Path, train: ImageSet, backbone: Counting) -> None:
    FeatureStore().features(train, backbone, VIEW)
    assert len(entries(own_cache / "features")) == 2


def test_on_a_full_disk_older_features_give_way(small_disk, tiny_splits, tiny_data, train, backbone) -> None:
    folder = small_disk("cache", 1000)  # room for one of the sets
    store = FeatureStore(folder)
    store.features(train, backbone, VIEW)
    first = entries(folder)
    shifted = image_set(tiny_splits, tiny_data, "train", "shift")
    store.features(shifted, backbone, VIEW)
    assert len(first) == len(entries(folder)) == 2 and not first & entries(folder)


def test_features_that_are_made_when_they_are_read_are_those_of_the_store(tmp_path, train, backbone) -> None:
    store, read = FeatureStore(tmp_path), features_when_read(train, backbone, VIEW)
    assert store.kept(train, backbone, VIEW) is None and backbone.seen == 0
    made = store.features(train, backbone, VIEW)
    for layer, outputs in read.layers.items():
        assert outputs.shape == made.layers[layer].shape and np.array_equal(outputs[:], made.layers[layer][:])
    kept = store.kept(train, backbone, VIEW)
    assert kept is not None and same(kept, made) and kept.key == read.key == made.key


def test_a_backbone_that_gives_other_outputs_by_its_key_is_given_no_others(tmp_path, train, trunk, backbone) -> None:
    class Other(Backbone):
        key = "other"

    store, other = FeatureStore(tmp_path), Other(trunk, backbone.layers, backbone.device)
    made = store.features(train, backbone, VIEW)
    assert store.kept(train, other, VIEW) is None
    assert features_when_read(train, other, VIEW).key == store.features(train, other, VIEW).key != made.key
