"""Weights: random ones by seed, files good and bad, ImageNet's with and without a network, and their SHA-256."""

import dataclasses
import functools
import urllib.error
from collections.abc import Callable
from http.client import IncompleteRead
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.networks import Network
from adtrack.features.weights import Trunk, cached_trunk, keep_trunk, load_trunk

LAYERS = ("layer1",)


@functools.cache
def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return Network("resnet18").build()


def state(seed: int = 0) -> dict[str, Tensor]:
    """Names and tensors of a whole ResNet-18; for reading only."""
    return dict(network(seed).state_dict())


def from_file(file: Path, layers: tuple[str, ...] = LAYERS, name: str = "resnet18") -> Trunk:
    return load_trunk(BackboneSpec(name, str(file)), layers, "/data")


def test_random_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(123)
    random_state = torch.random.get_rng_state()
    first = load_trunk(BackboneSpec("resnet18", "random", 7), LAYERS, "/data")
    assert torch.random.get_rng_state().equal(random_state)
    torch.manual_seed(5)
    again = load_trunk(BackboneSpec("resnet18", "random", 7), LAYERS, "demo")
    other = load_trunk(BackboneSpec("resnet18", "random", 8), LAYERS, "demo")
    assert first.sha256 == again.sha256 != other.sha256
    assert first.origin == "random (seed 7)" and not first.fell_back
    assert first.tensors["conv1.weight"].equal(network(7).conv1.weight)


def test_a_trunk_ends_at_the_deepest_layer() -> None:
    names = list(load_trunk(BackboneSpec("resnet18", "random"), ("layer1", "layer2"), "demo").tensors)
    assert "layer2.1.bn2.running_var" in names and not [name for name in names if name.startswith(("layer3", "fc"))]


def test_every_format_has_the_same_digest_and_a_changed_value_another(tmp_path: Path) -> None:
    tensors = state()
    torch.save(tensors, tmp_path / "whole.pth")
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / "whole.safetensors")
    stem = {name: tensor for name, tensor in tensors.items() if name.startswith(("conv1", "bn1", "layer1"))}
    save_file(dict(reversed(stem.items())), tmp_path / "stem.safetensors")  # a trunk without the deeper layers
    converted = {name: tensor for name, tensor in stem.items() if not name.endswith("num_batches_tracked")}
    torch.save(converted, tmp_path / "converted.pth")
    trunks = [from_file(file) for file in sorted(tmp_path.iterdir())]
    assert len(trunks) == 5 and len({trunk.sha256 for trunk in trunks}) == 1
    assert {trunk.origin for trunk in trunks} == {file.name for file in tmp_path.iterdir()}
    stem["layer1.0.bn1.bias"] = stem["layer1.0.bn1.bias"] + 1e-6 * torch.eye(64)[3]
    save_file(stem, tmp_path / "changed.safetensors")
    assert from_file(tmp_path / "changed.safetensors").sha256 != trunks[0].sha256


def test_half_precision_is_widened(tmp_path: Path) -> None:
    torch.save({name: tensor.half() for name, tensor in state().items()}, tmp_path / "half.pth")
    trunk = from_file(tmp_path / "half.pth")
    assert {tensor.dtype for tensor in trunk.tensors.values()} == {torch.float32}
    assert trunk.tensors["conv1.weight"].equal(state()["conv1.weight"].half().float())


def test_a_saved_trunk_is_the_same_and_another_is_refused(tmp_path: Path) -> None:
    trunk = load_trunk(BackboneSpec("resnet18", "random"), LAYERS, "demo")
    trunk.save(tmp_path / "trunk.safetensors")
    read = Trunk.load(tmp_path / "trunk.safetensors", "resnet18", trunk.sha256, trunk.origin)
    assert read.sha256 == trunk.sha256 and read.tensors.keys() == trunk.tensors.keys()
    with pytest.raises(UserError, match=r"trunk must have SHA-256 aaaaaaaaaaaa…, but .*trunk\.safetensors has"):
        Trunk.load(tmp_path / "trunk.safetensors", "resnet18", "a" * 64, trunk.origin)
    with pytest.raises(UserError, match="trunk must have SHA-256"):  # the name of the network is part of it
        Trunk.load(tmp_path / "trunk.safetensors", "resnet34", trunk.sha256, trunk.origin)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(64, 1, 7, 7), r"weights must fit resnet18, but conv1\.weight has shape \(64, 1, 7, 7\)"),
        (torch.zeros(64, 3, 7, 7, dtype=torch.int8), "trunk must hold float32 numbers, but .* holds torch.int8"),
    ],
)
def test_a_trunk_whose_digest_is_right_must_fit_all_the_same(tmp_path: Path, wrong: torch.Tensor, message: str) -> None:
    whole = load_trunk(BackboneSpec("resnet18", "random"), LAYERS, "demo")
    hostile = Trunk("resnet18", whole.tensors | {"conv1.weight": wrong}, "elsewhere")
    hostile.save(tmp_path / "trunk.safetensors")
    with pytest.raises(UserError, match=message):
        read = Trunk.load(tmp_path / "trunk.safetensors", "resnet18", hostile.sha256, "elsewhere")
        Backbone(read, LAYERS, torch.device("cpu"))


def test_a_missing_tensor_is_named_if_it_is_used(tmp_path: Path) -> None:
    tensors = state()
    del tensors["layer1.1.conv2.weight"]
    save_file(tensors, tmp_path / "gap.safetensors")
    with pytest.raises(UserError, match=r"gap\.safetensors lacks layer1\.1\.conv2\.weight\. .*a resnet18"):
        from_file(tmp_path / "gap.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "r18.safetensors")
    with pytest.raises(UserError, match=r"fit wide_resnet50_2, but layer1\.0\.conv1\.weight|lacks layer1\.0\.conv3"):
        from_file(tmp_path / "r18.safetensors", name="wide_resnet50_2")
    tensors = state() | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
    save_file(tensors, tmp_path / "grey.safetensors")
    with pytest.raises(UserError, match=r"conv1\.weight has shape \(64, 1, 7, 7\) in grey.safetensors and \(64, 3, 7"):
        from_file(tmp_path / "grey.safetensors")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for wrong in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(UserError, match="imagenet, random or a file, but there is no file"):
            from_file(wrong)


def no_network(*_: object, **__: object) -> None:
    raise urllib.error.URLError("no route to host")


def cut_short(*_: object, **__: object) -> None:
    raise IncompleteRead(b"12", 100)


def wrong_hash(*_: object, **__: object) -> None:
    raise RuntimeError('invalid hash value (expected "f37072fd", got "00000000")')


@pytest.mark.parametrize("failure", [no_network, cut_short, wrong_hash])
def test_without_imagenet_weights_the_demo_falls_back_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, failure: Callable
) -> None:
    monkeypatch.setattr(WeightsEnum, "get_state_dict", failure)
    trunk = load_trunk(BackboneSpec("resnet18", "imagenet", 3), LAYERS, "demo")
    assert trunk.fell_back and trunk.origin == "random (seed 3)"
    assert trunk.sha256 == load_trunk(BackboneSpec("resnet18", "random", 3), LAYERS, "demo").sha256
    with pytest.raises(UserError, match=r"weights imagenet must be downloadable.*but resnet18 is not.*weights=FILE"):
        load_trunk(BackboneSpec("resnet18", "imagenet", 3), LAYERS, "/data")


def test_an_offline_start_says_nothing_of_a_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    assert load_trunk(BackboneSpec("resnet18"), LAYERS, "demo").fell_back
    assert capsys.readouterr() == ("", "")


def test_imagenet_weights_are_torchvisions_first_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def downloaded(weights: WeightsEnum, **options: object) -> dict[str, Tensor]:
        asked.append((str(weights), options["check_hash"]))
        return state(4)

    monkeypatch.setattr(WeightsEnum, "get_state_dict", downloaded)
    trunk = load_trunk(BackboneSpec("resnet18"), LAYERS, "/data")
    assert asked == [("ResNet18_Weights.IMAGENET1K_V1", True)] and not trunk.fell_back
    assert trunk.origin == "torchvision ResNet18_Weights.IMAGENET1K_V1"
    assert trunk.tensors["conv1.weight"].equal(state(4)["conv1.weight"])


def test_a_kept_trunk_lies_under_its_digest(own_cache: Path) -> None:
    trunk = load_trunk(BackboneSpec("resnet18", "random"), LAYERS, "demo")
    file = keep_trunk(trunk)
    assert file == cached_trunk(trunk.sha256) == own_cache / "trunks" / f"{trunk.sha256}.safetensors"
    written = file.stat().st_mtime_ns
    assert keep_trunk(trunk) == file and file.stat().st_mtime_ns == written
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    assert Trunk.load(file, "resnet18", trunk.sha256, "cache").sha256 == trunk.sha256


@pytest.mark.parametrize("layers", [(), ("view",)])
def test_without_a_layer_of_a_network_no_weights_are_needed(
    layers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WeightsEnum, "get_state_dict", no_network)
    trunk = load_trunk(BackboneSpec("resnet18"), layers, "/data")
    assert (trunk.network, trunk.tensors, trunk.fell_back) == ("none", {}, False)
    assert Backbone(trunk, layers, torch.device("cpu"))(torch.zeros(1, 3, 32, 32)).keys() == set(layers)
    with pytest.raises(UserError, match="got 'none'"):
        Backbone(trunk, ("layer1",), torch.device("cpu"))


def test_the_view_does_not_show_in_a_trunk() -> None:
    spec = BackboneSpec("resnet18", "random")
    assert load_trunk(spec, ("view", "layer1"), "demo").sha256 == load_trunk(spec, ("layer1",), "demo").sha256


def test_the_trunk_without_a_network_is_kept_like_others() -> None:
    trunk = Trunk.none()
    assert trunk.sha256 == "140bedbf9c3f6d56a9846d2ba7088798683f4da0c248231336e6a05679e4fdfe"
    file = keep_trunk(trunk)
    read = Trunk.load(file, trunk.network, trunk.sha256, trunk.origin)
    assert dataclasses.asdict(read) == dataclasses.asdict(trunk) and file == cached_trunk(trunk.sha256)
    save_file({"conv1.weight": torch.zeros(1)}, file)
    with pytest.raises(UserError, match="trunk must have SHA-256 140bedbf9c3f…, but"):
        Trunk.load(file, trunk.network, trunk.sha256, trunk.origin)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_digest_names_a_kept_trunk(name: str) -> None:
    with pytest.raises(UserError, match="a trunk must be named by a SHA-256"):
        cached_trunk(name)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "name", "layers"),
    [
        ("resnet18_imagenet_trunk.pth", "resnet18", ("layer1", "layer2", "layer3")),
        ("squeezenet1_1_imagenet.safetensors", "squeezenet1_1", ("features.7", "features.12")),
    ],
)
def test_real_weights(shared: Path, file: str, name: str, layers: tuple[str, ...]) -> None:
    trunk = from_file(shared / "weights" / file, layers, name)
    assert trunk.origin == file and not trunk.fell_back
    assert all(bool(tensor.isfinite().all()) for tensor in trunk.tensors.values())


@pytest.mark.shared
def test_a_real_trunk_lacks_the_layers_beyond_it(shared: Path) -> None:
    with pytest.raises(UserError, match=r"lacks layer4\.0\.conv1\.weight and \d+ more"):
        from_file(shared / "weights" / "resnet18_imagenet_trunk.pth", ("layer4",))
