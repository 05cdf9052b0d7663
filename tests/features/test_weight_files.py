"""Files with weights as people have them: which are read, which are refused and what their remedy is; nothing in them
runs."""

import io
import os
import pickle
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.features.networks import Network
from adtrack.features.weights import Trunk, load_trunk

CONV = "conv1.weight"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A ResNet-18."""
    torch.manual_seed(0)
    return Network("resnet18").build()


@pytest.fixture(scope="module")
def tensors(network: nn.Module) -> dict[str, Tensor]:
    """Its tensors up to layer1."""
    return {name: one for name, one in network.state_dict().items() if name.startswith(("conv1", "bn1", "layer1"))}


def read(file: Path) -> Trunk:
    return load_trunk(BackboneSpec("resnet18", str(file)), ("layer1",), "/data")


def prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: {"epoch": 3, "state_dict": tensors, "best_acc": 0.7},
        lambda tensors: {"model_state_dict": prefixed(tensors, "module."), "optimizer": {"state": {}}},
        lambda tensors: {"model": tensors, "model_ema": tensors, "scale": torch.ones(1)},
        lambda tensors: prefixed(tensors, "module."),
        lambda tensors: prefixed(tensors, "model."),
        lambda tensors: prefixed(tensors, "module.model.") | {"module.head.weight": torch.ones(2)},
        lambda tensors: prefixed(tensors, "_orig_mod.") | {"step": 7},
    ],
    ids=["checkpoint", "checkpoint of DataParallel", "torchvision", "DataParallel", "Lightning", "both", "compiled"],
)
def test_weights_are_found_in_what_training_leaves(
    tensors: dict[str, Tensor], tmp_path: Path, wrap: Callable[[dict], dict]
) -> None:
    save_file(tensors, tmp_path / "plain.safetensors")
    torch.save(wrap(tensors), tmp_path / "wrapped.pth.tar")
    assert read(tmp_path / "wrapped.pth.tar").sha256 == read(tmp_path / "plain.safetensors").sha256


def test_of_two_networks_none_is_guessed(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(prefixed(tensors, "student.") | prefixed(tensors, "teacher."), tmp_path / "both.pth")
    with pytest.raises(UserError, match=r"of one network, but both\.pth holds 2: student, teacher\. Hint: save"):
        read(tmp_path / "both.pth")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda one: one.to_sparse(), r"conv1\.weight in odd\.pth is sparse"),
        (lambda one: one.to("meta"), r"conv1\.weight in odd\.pth is on the meta device, without values"),
        (lambda one: one.to(torch.int8), r"conv1\.weight in odd\.pth is torch\.int8\. Hint: save them anew"),
        (lambda one: one.to(torch.complex64), r"conv1\.weight in odd\.pth is torch\.complex64"),
        (lambda one: one * float("nan"), r"weights must be finite numbers, but conv1\.weight in odd\.pth holds NaN"),
        (lambda one: one.double() * 1e300, "weights must be finite numbers"),
        (lambda one: torch.quantize_per_tensor(one, 0.1, 0, torch.qint8), r"conv1\.weight in odd\.pth is quantised"),
    ],
    ids=["sparse", "meta", "int8", "complex", "NaN", "too large", "quantised"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_of_another_kind_are_refused(
    tensors: dict[str, Tensor], tmp_path: Path, make: Callable[[Tensor], Tensor], said: str
) -> None:
    torch.save({**tensors, CONV: make(tensors[CONV])}, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=said):
        read(tmp_path / "odd.pth")


def test_odd_tensors_that_no_layer_uses_do_no_harm(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({**tensors, "fc.weight": tensors[CONV].to("meta")}, tmp_path / "odd.pth")
    assert read(tmp_path / "odd.pth").tensors.keys() == tensors.keys()


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must hold tensors, but weights.* is empty. Hint: its download or copy was cut off"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "Git LFS's pointer to it. Hint: fetch it: git lfs",
        ),
        (b"\n<!DOCTYPE html><html>Please log in</html>", "is a web page. Hint: its address shows a page"),
        (b"garbage" * 99, "must be a readable .* file of tensors, but weights.* is not. Hint: its download"),
        (b"\x80\x02}q\x00.", "weights must be a "),
        (b"PK\x03\x04" + b"\0" * 99, "must be a readable .* file of tensors"),
    ],
    ids=["empty", "Git LFS", "page", "garbage", "pickle", "zip"],
)
def test_what_is_no_file_of_weights_is_told_apart(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as refused:
        read(tmp_path / name)
    assert "weights_only" not in str(refused.value) and "trust the source" not in str(refused.value)


def test_a_file_that_was_cut_off_is_refused(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(tensors, buffer, _use_new_zipfile_serialization=zipped)
        (tmp_path / "cut.pth").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        with pytest.raises(
            UserError, match=r"must be a readable .*, but cut\.pth is not\. Hint: its download or copy was"
        ):
            read(tmp_path / "cut.pth")


@pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], {1: torch.zeros(3)}, {"epoch": 3}, {}])
def test_something_else_than_a_mapping_of_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "else.pth")
    with pytest.raises(UserError, match=r"mapping from names to tensors, but else\.pth holds something else"):
        read(tmp_path / "else.pth")


def test_a_whole_model_is_refused_with_its_remedy(network: nn.Module, tmp_path: Path) -> None:
    torch.save(network, tmp_path / "model.pth")
    with pytest.raises(
        UserError, match=r"holds Python objects \(torch\..*where you trust it.*model\.state_dict\(\)"
    ) as said:
        read(tmp_path / "model.pth")
    assert "weights_only" not in str(said.value)


def test_a_program_is_refused_with_its_remedy(tmp_path: Path) -> None:
    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    torch.jit.trace(Twice(), torch.ones(1)).save(tmp_path / "program.pt")
    with pytest.raises(UserError, match=r"program\.pt is a TorchScript program\. Hint: where you trust it"):
        read(tmp_path / "program.pt")


def test_compressed_weights_are_refused_before_they_take_memory(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data/0", "w", force_zip64=True) as stream:
            for _ in range(256):
                stream.write(bytes(2**20))
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
    assert (tmp_path / "small.pth").stat().st_size < 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"those in small\.pth are compressed\. Hint: save the tensors again"):
        read(tmp_path / "small.pth")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB; unpacked they are 256 MB


class Bomb:
    """Unpickling it creates a folder."""

    def __init__(self, call: Callable, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable, tuple[object, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle 2", "pickle 4"])
@pytest.mark.parametrize(
    "wrap",
    [lambda bomb: bomb, lambda bomb: {CONV: bomb}, lambda bomb: {"state_dict": {CONV: torch.zeros(1), "x": bomb}}],
    ids=["bare", "as a tensor", "in a checkpoint"],
)
@pytest.mark.parametrize(
    "charge",
    [
        lambda crater: Bomb(os.mkdir, crater),
        lambda crater: Bomb(os.system, f"mkdir {crater}"),
        lambda crater: Bomb(eval, f"__import__('os').mkdir({crater!r})"),
        lambda crater: Bomb(getattr, Bomb(os.mkdir, crater), "x"),
    ],
    ids=["mkdir", "system", "eval", "nested"],
)
def test_a_pickle_bomb_does_not_go_off(tmp_path: Path, form: str, wrap: Callable, charge: Callable) -> None:
    file, crater = tmp_path / "bomb.pth", tmp_path / "crater"
    content = wrap(charge(str(crater)))
    if form.startswith("pickle"):
        file.write_bytes(pickle.dumps(content, protocol=int(form[-1])))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match=r"weights must be .*bomb\.pth (is not|holds Python objects)"):
        read(file)
    assert not crater.exists()
