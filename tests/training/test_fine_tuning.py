"""Fine-tuning: what changes and what stays, the same bits every time, also after a kill, and when it stops."""

import os
import signal
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adtrack.cache import cache_folder
from adtrack.config import VIEW, BackboneSpec, ImageSpec
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.weights import Trunk, load_trunk
from adtrack.training import gradients, loop
from adtrack.training.fine_tuning import FineTuned, fine_tune, split_off, with_usual_layers
from adtrack.training.loop import Epoch
from adtrack.training.spec import FineTuneSpec
from adtrack.training.tasks import Rotation

Tuned = Callable[..., FineTuned]
CPU = torch.device("cpu")


def changed(trunk: Trunk, done: FineTuned) -> set[str]:
    return {name for name, tensor in trunk.tensors.items() if not tensor.equal(done.trunk.tensors[name])}


def test_only_the_freed_layers_change_and_a_detector_can_use_the_trunk(tuned: Tuned, trunk: Trunk) -> None:
    before = {name: tensor.clone() for name, tensor in trunk.tensors.items()}
    done = tuned("rotation", epochs=1)
    found = changed(trunk, done)
    assert found and all(name.startswith("layer2.") for name in found)
    assert not [name for name in found if "running" in name or "num_batches" in name]
    assert all(tensor.equal(before[name]) for name, tensor in trunk.tensors.items())
    outputs = Backbone(done.trunk, ("layer1", "layer2"), CPU)(torch.zeros(1, 3, 64, 64))
    assert outputs["layer2"].isfinite().all() and done.trunk.sha256 != trunk.sha256
    assert done.trunk.origin == "random (seed 1), fine-tuned by rotation"


@pytest.mark.parametrize(
    ("free", "expected"), [(("layer1",), {"layer1"}), (("all",), {"conv1", "bn1", "layer1", "layer2"})]
)
def test_layers_are_freed_by_name(tuned: Tuned, trunk: Trunk, free: tuple[str, ...], expected: set[str]) -> None:
    found = changed(trunk, tuned("cutmix", epochs=1, free=free))
    assert {name.partition(".")[0] for name in found} == expected


@pytest.mark.parametrize(
    ("name", "layers"), [("timm/test_resnet", ("layer1", "layer2")), ("timm/test_vit", ("blocks.0", "blocks.1"))]
)
def test_networks_of_another_library_learn_by_their_own_names(
    views: np.ndarray, name: str, layers: tuple[str, ...]
) -> None:
    trunk = load_trunk(BackboneSpec(name, "random", 1), layers, "/data")
    spec = FineTuneSpec("cutmix", layers=layers, epochs=1, batch=4)
    done = fine_tune(trunk, views, ImageSpec(32, 0), spec, CPU, key="views")
    found = changed(trunk, done)
    assert found and all(tensor.startswith(f"{layers[1]}.") for tensor in found)
    (file,) = cache_folder("training").glob("*.safetensors")
    assert not [tensor for tensor in load_file(file) if f"{layers[0]}." in tensor and tensor.endswith("weight")]


def test_a_user_who_names_no_layers_means_those_that_suit_the_network() -> None:
    assert with_usual_layers(FineTuneSpec("cutmix"), "resnet18").layers == ("layer2", "layer3")
    assert with_usual_layers(FineTuneSpec("cutmix", layers=("layer1",)), "resnet18").layers == ("layer1",)


def test_a_layer_without_weights_cannot_be_freed(tuned: Tuned) -> None:
    with pytest.raises(UserError, match=r"layers with weights up to layer2, but layer3 has none"):
        tuned("rotation", free=("layer3",))


@pytest.mark.parametrize("task", ["rotation", "cutmix"])
def test_the_same_bits_on_any_number_of_threads_and_another_seed_gives_others(tuned: Tuned, task: str) -> None:
    def trained(threads: int, seed: int = 42) -> tuple[str, tuple[Epoch, ...]]:
        torch.set_num_threads(threads)
        done = tuned(task, seed=seed, epochs=2)
        done.checkpoint.forget()
        return done.trunk.sha256, done.trained.epochs

    before = torch.get_num_threads()
    try:
        first = trained(1)
        assert first == trained(3)
        assert first[0] != trained(1, seed=43)[0]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("task", ["rotation", "cutmix"])
def test_a_killed_training_goes_on_to_the_same_bits(
    tuned: Tuned, task: str, in_a_process: Callable[[Callable[[], None]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tuned(task)
    whole.checkpoint.forget()

    def die(epoch: Epoch) -> None:
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        tuned(task, die)

    assert os.WIFSIGNALED(os.waitpid(in_a_process(killed), 0)[1])
    told: list[int] = []
    steps: list[int] = []

    monkeypatch.setattr(loop, "learn", lambda *given: steps.append(1) or gradients.learn(*given))
    again = tuned(task, lambda epoch: told.append(epoch.number))
    assert told == [1, 2, 3] and len(steps) == 2  # of the third epoch alone: eight images in steps of four
    assert (again.trunk.sha256, again.trained) == (whole.trunk.sha256, whole.trained)


def test_a_damaged_checkpoint_is_not_gone_on_with(tuned: Tuned, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tuned("rotation", epochs=2)
    (file,) = cache_folder("training").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    again = tuned("rotation", epochs=2)
    assert "is damaged: this training begins anew" in capsys.readouterr().err
    assert again.trunk.sha256 == whole.trunk.sha256


def test_it_stops_when_held_out_images_get_no_better_and_keeps_the_best(
    tuned: Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [3.0, 1.0, 2.0, 1.5, 9.0]
    left = iter(losses)
    monkeypatch.setattr(loop, "figures_of", lambda *_: {"loss": next(left), "accuracy": 0.5})
    done = tuned("rotation", epochs=9, patience=2)
    assert [epoch.held_out["loss"] for epoch in done.trained.epochs] == losses[:4] and done.trained.best == 2
    left = iter(losses)
    assert tuned("rotation", epochs=2).trunk.sha256 == done.trunk.sha256


def test_rotation_shows_every_turn_of_an_image_in_order(trunk: Trunk, views: np.ndarray) -> None:
    task = Rotation(trunk, views, ImageSpec(32, 0), FineTuneSpec("rotation", layers=("layer1",)), CPU)
    rows = task.inputs([3, 5], np.random.default_rng(0), learning=False)[VIEW].numpy()
    assert len(rows) == 8
    for place, row in enumerate(rows):
        assert (row == np.rot90(rows[place - place % 4], place % 4, axes=(1, 2))).all()
    assert (rows[0] != rows[4]).any()


def test_held_out_images_are_none_that_are_learnt_from() -> None:
    spec = FineTuneSpec("rotation", held_out=0.3)
    kept, held_out = split_off(20, spec)
    assert len(held_out) == 6 and sorted(kept + held_out) == list(range(20))
    assert split_off(20, FineTuneSpec("rotation", held_out=0.3, seed=7))[1] != held_out
    with pytest.raises(UserError, match="needs at least 8 good Train images, but there are 7"):
        split_off(7, spec)


def test_a_loss_that_is_not_finite_and_a_full_memory_get_a_sentence(
    tuned: Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "learn", lambda *_: {"loss": float("nan")})
    with pytest.raises(UserError, match="training must keep its loss finite"):
        tuned("rotation")

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(loop, "learn", full)
    with pytest.raises(UserError, match="must fit into memory, but steps of 4 images do not"):
        tuned("cutmix")
