"""timm's networks: the numbers of timm's own functions, where cells lie, tags, sizes, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from adtrack.config import BackboneSpec, ImageSpec, Normalisation
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone, layer_grids
from adtrack.features.grids import Grid
from adtrack.features.networks import Network, settled
from adtrack.features.weights import Trunk, load_trunk

CPU = torch.device("cpu")
VIT, REGISTERS, ROPE = "vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3"


def backbone(name: str, *layers: str) -> Backbone:
    return Backbone(load_trunk(BackboneSpec(f"timm/{name}", "random", 1), layers, "/data"), layers, CPU)


def whole(name: str, **options: object) -> nn.Module:
    torch.manual_seed(1)
    return timm.create_model(name, **options).eval()


def views(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet10t", ("layer2", "layer3")),
        ("convnext_atto", ("stages.1", "stages.2")),
        ("tf_efficientnet_lite0", ("blocks.2", "blocks.4")),
        ("resnet50_clip", ("stages.0", "stages.1")),
    ],
)
def test_convolutional_networks_give_timms_own_features(name: str, layers: tuple[str, ...]) -> None:
    cut, network = backbone(name, *layers), whole(name)
    info = [one["module"] for one in network.feature_info]
    indices = [info.index(layer) for layer in layers]
    with torch.inference_mode():
        expected = network.forward_intermediates(views(64), indices=indices, intermediates_only=True)
    for (layer, output), wanted in zip(cut(views(64)).items(), expected, strict=True):
        assert layer in layers and output.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(output, wanted, rtol=1e-4, atol=1e-5)
    assert set(cut.trunk.tensors) < set(network.state_dict())  # by the same names, and none of deeper layers


@pytest.mark.parametrize(("name", "size"), [(VIT, 96), (REGISTERS, 70), (ROPE, 80)])
def test_transformers_give_timms_own_tokens_raw_and_normed(name: str, size: int) -> None:
    cut, network = backbone(name, "blocks.3", "blocks.11.norm", "cls"), whole(name, dynamic_img_size=True)
    with torch.inference_mode():
        raw = network.forward_intermediates(views(size), indices=[3], intermediates_only=True)[0]
        ((normed, prefix),) = network.forward_intermediates(
            views(size), indices=[11], norm=True, intermediates_only=True, return_prefix_tokens=True
        )
    outputs = cut(views(size))
    for output, wanted in [
        (outputs["blocks.3"], raw),
        (outputs["blocks.11.norm"], normed),
        (outputs["cls"], prefix[:, 0, :, None, None]),
    ]:
        torch.testing.assert_close(output, wanted, rtol=1e-4, atol=1e-4)


def test_a_transformer_is_cut_after_its_deepest_block() -> None:
    names = set(backbone(VIT, "blocks.3", "blocks.5").trunk.tensors)
    assert "blocks.5.mlp.fc2.weight" in names and "pos_embed" in names
    assert not [name for name in names if name.startswith(("blocks.6", "norm.", "head"))]
    assert {"norm.weight", "norm.bias"} < set(backbone(VIT, "blocks.3", "blocks.5.norm").trunk.tensors)


@pytest.mark.parametrize(("name", "size"), [(VIT, 128), (VIT, 224), (REGISTERS, 112), (ROPE, 96)])
def test_a_settled_transformer_gives_the_same_and_resizes_nothing(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runtimes that cannot antialias would bring its positions to the size of the grid in another way."""
    network = backbone(name, "blocks.0").network
    assert network is not None
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with torch.no_grad():
        expected = network(views(size))["blocks.0"]
        copied = settled(network, size)
        monkeypatch.setattr(nn.functional, "interpolate", None)
        assert torch.equal(copied(views(size))["blocks.0"], expected)
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in before.items())


def test_a_batch_has_the_bits_of_its_images() -> None:
    cut, images = backbone(VIT, "blocks.2"), views(64)
    together = cut(images)["blocks.2"]
    assert all(cut(images[at : at + 1])["blocks.2"][0].equal(together[at]) for at in range(2))


@pytest.mark.parametrize(
    ("name", "grids"),
    {
        VIT: {"blocks.0": (7.5, 16), "blocks.11.norm": (7.5, 16)},
        REGISTERS: {"blocks.5": (6.5, 14)},
        "resnet18": {"layer1": (0, 4), "layer2": (0, 8)},
        # Three convolutions, and poolings of kernel and stride 2, which tile.
        "resnet50_clip": {"stages.0": (1, 4), "stages.1": (3, 8)},
        # Its overlapping patches are padded by half their size, and attention does not move them.
        "pvt_v2_b0": {"stages.1": (0, 8)},
        "convnext_atto": {"stages.1": (3.5, 8), "stages.2": (7.5, 16)},
        # TensorFlow pads a map with an even side on the right alone.
        "tf_efficientnet_lite0": {"blocks.2": (7, 8), "blocks.4": (15, 16)},
    }.items(),
)
def test_grids(name: str, grids: dict[str, tuple[float, float]]) -> None:
    found = layer_grids(f"timm/{name}", tuple(grids))
    assert found == {layer: Grid(*grid) for layer, grid in grids.items()}


def test_the_tag_says_how_views_are_made() -> None:
    clip, lite = Network("timm/vit_base_patch16_clip_224.openai"), Network("timm/tf_efficientnet_lite0")
    assert clip.normalisation.mean == pytest.approx((0.481, 0.458, 0.408), abs=1e-3) and clip.interpolation == "bicubic"
    assert lite.normalisation == Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert Network("timm/vit_small_patch16_dinov3").licence == "dinov3-license" and lite.licence == "apache-2.0"
    assert Network("resnet18").interpolation == "bilinear" and Network("resnet18").licence == ""
    view = backbone("tf_efficientnet_lite0", "blocks.0").view(ImageSpec(64, 0))
    assert view == ImageSpec(64, 0, lite.normalisation, interpolation=lite.interpolation)


@pytest.mark.parametrize(
    ("name", "layer", "sizes", "step"),
    [
        (VIT, "blocks.0", (64, 224), 16),
        (REGISTERS, "cls", (70, 224), 14),
        ("tf_efficientnet_lite0", "blocks.2", (64,), 8),
    ],
)
def test_a_view_must_be_a_multiple_of_the_patch(name: str, layer: str, sizes: tuple[int, ...], step: int) -> None:
    cut = backbone(name, layer)
    assert all(cut.view(ImageSpec(size, 0)).size == size for size in sizes)
    with pytest.raises(
        UserError, match=rf"view must have a multiple of {step} pixels.*but got 100.*resize=\d+ with crop"
    ):
        cut.view(ImageSpec(100, 0))


def test_convolutions_take_any_size() -> None:
    assert backbone("resnet10t", "layer2").view(ImageSpec(99, 0)).size == 99


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_223", r"timm's networks, but got 'timm/vit_tiny_patch16_223'.*did you mean timm/vit_tiny"),
        ("xyz", r"timm's networks, but got 'timm/xyz'.*two of them"),
        ("hf-hub:timm/resnet18", "one of timm's networks"),
        ("resnet18.nobody_in1k", r"tag of timm/resnet18 must be one of .* and \d+ more, but got 'nobody_in1k'"),
    ],
)
def test_unknown_names_and_tags(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Network(f"timm/{name}").build()


@pytest.mark.parametrize(
    ("name", "layer", "message"),
    [
        ("resnet10t", "layer9", "layer must be one of act1, layer1, .*, but got 'layer9'"),
        ("resnet10t", "cls", "layer must be one of act1"),
        (VIT, "layer2", r"layer must be one of blocks.0, .*blocks.11, these with .norm, cls, but got 'layer2'"),
        ("vit_base_patch16_siglip_224", "cls", "these with .norm, but got 'cls'"),
    ],
)
def test_unknown_layers(name: str, layer: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Network(f"timm/{name}").blank([layer])


def test_files_of_torchvision_fit_timms_resnets(tmp_path: Path) -> None:
    torch.manual_seed(3)
    save_file(dict(Network("resnet18").build().state_dict()), tmp_path / "resnet18.safetensors")
    ours, theirs = (
        load_trunk(BackboneSpec(name, str(tmp_path / "resnet18.safetensors")), ("layer2",), "/data")
        for name in ("resnet18", "timm/resnet18")
    )
    outputs = [Backbone(trunk, ("layer2",), CPU)(views(64))["layer2"] for trunk in (ours, theirs)]
    assert outputs[0].equal(outputs[1]) and ours.sha256 != theirs.sha256


def test_a_wrapped_file_of_a_transformer(tmp_path: Path) -> None:
    network = whole(VIT)
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "a.pth"
    )
    trunk = load_trunk(BackboneSpec(f"timm/{VIT}", str(tmp_path / "a.pth")), ("blocks.1",), "/data")
    assert trunk.sha256 == backbone(VIT, "blocks.1").trunk.sha256 and trunk.licence == ""


def test_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to the hub")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(UserError, match=r"timm/resnet10t is not \(no route to the hub\).*with timm's names"):
        load_trunk(BackboneSpec("timm/resnet10t"), ("layer1",), "/data")
    assert load_trunk(BackboneSpec("timm/resnet10t"), ("layer1",), "demo").fell_back
    with pytest.raises(UserError, match=r"weights imagenet must be known to timm, but it has none for vit_base"):
        load_trunk(BackboneSpec("timm/vit_base_patch32_plus_256"), ("blocks.1",), "/data")


def test_the_tags_weights_come_with_their_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = whole("resnet10t").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(tensors))
    trunk = load_trunk(BackboneSpec("timm/resnet10t.c3_in1k"), ("layer1",), "/data")
    assert trunk.origin == "timm resnet10t.c3_in1k" and trunk.licence == "apache-2.0"
    assert trunk.tensors["layer1.0.conv1.weight"].equal(tensors["layer1.0.conv1.weight"])


def test_timm_is_imported_when_it_is_used() -> None:
    code = "import sys, adtrack.features.weights; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_kept_trunk_names_its_network(tmp_path: Path) -> None:
    trunk = backbone(VIT, "blocks.0").trunk
    trunk.save(tmp_path / "trunk.safetensors")
    assert Trunk.load(tmp_path / "trunk.safetensors", trunk.network, trunk.sha256, "").network == f"timm/{VIT}"
