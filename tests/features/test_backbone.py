"""The frozen network: what it computes, independent of the batch; layers that give no patches; devices."""

import pytest
import torch

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone, choose_device
from adtrack.features.grids import Grid
from adtrack.features.networks import Network
from adtrack.features.patches import merge_layers
from adtrack.features.weights import load_trunk

CPU = torch.device("cpu")


def backbone(name: str, *layers: str) -> Backbone:
    return Backbone(load_trunk(BackboneSpec(name, "random", 1), layers, "demo"), layers, CPU)


def test_outputs_are_those_of_torchvisions_network() -> None:
    cut = backbone("resnet18", "layer1", "layer2")
    torch.manual_seed(1)
    network = Network("resnet18").build()
    views = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        first = network.layer1(network.maxpool(network.relu(network.bn1(network.conv1(views)))))
        expected = {"layer1": first, "layer2": network.layer2(first)}
    outputs = cut(views)
    assert list(outputs) == ["layer1", "layer2"]
    for layer, output in outputs.items():
        assert output.dtype == torch.float32 and not output.requires_grad
        assert output.is_contiguous(memory_format=torch.channels_last)  # as patches are made of it
        torch.testing.assert_close(output, expected[layer], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "layers"), [("resnet18", ("layer2", "layer3")), ("squeezenet1_1", ("features.12",))])
def test_a_batch_has_the_bits_of_its_images(name: str, layers: tuple[str, ...]) -> None:
    network, views = backbone(name, *layers), torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    batch = network(views)
    for at in range(5):
        assert all(network(views[at : at + 1])[layer][0].equal(batch[layer][at]) for layer in layers)
    backwards = network(views.flip(0))
    assert all(backwards[layer].flip(0).equal(batch[layer]) for layer in layers)


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer3"), ("resnet50", "layer2"), ("squeezenet1_1", "features.12")]
)
def test_threads_do_not_show(name: str, layer: str) -> None:
    """Left to itself, torch gives all of these other bits with one thread than with two, three or four."""
    network, views = backbone(name, layer), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 4):
            torch.set_num_threads(threads)
            found.append(network(views)[layer])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(other.equal(found[0]) for other in found)


def test_a_filled_up_batch_has_only_the_images_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adtrack.features.backbone.CPU_BATCH", 4)  # as on a GPU: the last batch is filled up
    network, views = backbone("resnet18", "layer1"), torch.randn(6, 3, 64, 64)
    outputs = network(views)["layer1"]
    assert outputs.shape == (6, 64, 16, 16)
    assert network(views[4:])["layer1"].equal(outputs[4:]) and network(views[5:])["layer1"].equal(outputs[5:])


def test_batch_normalisation_stays_as_it_is() -> None:
    network, views = backbone("resnet18", "layer1"), torch.randn(4, 3, 64, 64) * 5 + 3
    before = network.trunk.sha256
    assert network(views)["layer1"].equal(network(views)["layer1"]) and network.trunk.sha256 == before


def test_grids_come_with_the_layers() -> None:
    assert backbone("resnet18", "layer1", "layer3").grids == {"layer1": Grid(0, 4), "layer3": Grid(0, 16)}


def test_the_view_is_a_layer_beside_the_networks() -> None:
    views = torch.randn(3, 3, 64, 64)
    network, alone = backbone("resnet18", "layer2", "view", "layer1"), backbone("resnet18", "layer2", "layer1")
    outputs = network(views)
    assert list(outputs) == ["layer2", "view", "layer1"] and outputs["view"].equal(views)
    assert all(output.equal(outputs[layer]) for layer, output in alone(views).items())
    assert network.grids == {**alone.grids, "view": Grid(0.0, 1.0)}


def test_a_layer_without_places_is_named() -> None:
    network = backbone("resnet18", "fc")
    with pytest.raises(UserError, match=r"layer must give a grid of patches, but fc gives shape .*before the pool"):
        network(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize(("layer", "size"), [("avgpool", 64), ("layer4", 32)])
def test_a_layer_of_one_cell_is_for_methods_without_patches(layer: str, size: int) -> None:
    network = backbone("resnet18", layer)
    outputs = network(torch.randn(1, 3, size, size))
    assert outputs[layer].shape == (1, 512, 1, 1)
    with pytest.raises(UserError, match=rf"a grid of patches, but {layer} gives shape .*before the pool"):
        merge_layers(outputs, [layer], network.grids, 3)


def test_a_trunk_must_reach_the_deepest_layer() -> None:
    trunk = load_trunk(BackboneSpec("resnet18", "random", 1), ("layer1",), "demo")
    with pytest.raises(UserError, match=r"every tensor.*lacks layer2\.0\.conv1\.weight and \d+ more.*a resnet18"):
        Backbone(trunk, ("layer2",), CPU)


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match="device must be auto, cpu or cuda, but got 'gpu'"):
        choose_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"needs a CUDA GPU.*device=auto"):
        choose_device("cuda")
