"""STFPM: the loss and the maps of anomalib's own parts, the same bits every time, and what the student is."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from adtrack.config import VIEW
from adtrack.detectors.contract import FitResult
from adtrack.detectors.learned.learner import Seen
from adtrack.detectors.learned.stfpm import Stfpm, StfpmSpec
from adtrack.detectors.learned.student import Student
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from adtrack.features.networks import Network
from adtrack.training.gradients import Manner, learn
from adtrack.training.loop import Epoch
from tests.detectors.contract import same_scores, same_state
from tests.detectors.learned.teacher import SIDE, TAUGHT, TEACHER, taught, taught_by

CPU = torch.device("cpu")
SPEC = StfpmSpec(TAUGHT, epochs=3)


def fit(spec: StfpmSpec, kept: Path, features: FeatureSet | None = None, **more: object) -> FitResult[StfpmSpec]:
    train = TrainingSet(features or taught(), spec.inputs, kept, network=TEACHER)
    return Stfpm.fit(replace(train, **more), spec)


def student(network: str, layers: tuple[str, ...]) -> Student:
    torch.manual_seed(0)
    return Student(StfpmSpec(layers), Seen({}, Network(network).grids(layers), network, SIDE))


class Says(nn.Module):
    """A network that always says the same."""

    def __init__(self, outputs: dict[str, Tensor]) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        return self.outputs


def saying(outputs: dict[str, Tensor], grids: dict[str, Grid]) -> Student:
    """A student that always says the same."""
    made = student(TEACHER, TAUGHT)
    made.spec, made.grids, made.network = StfpmSpec(tuple(outputs)), grids, Says(outputs)
    return made


def test_loss_and_maps_are_those_of_anomalib() -> None:
    """Its loss is the sum over the images; the mean over them is the authors'."""
    from anomalib.models.image.stfpm.anomaly_map import AnomalyMapGenerator
    from anomalib.models.image.stfpm.loss import STFPMLoss

    draws = torch.Generator().manual_seed(0)
    sizes = {"fine": (4, 5, 6, 6), "coarse": (4, 7, 3, 3)}
    teachers, students = ({name: torch.randn(size, generator=draws) for name, size in sizes.items()} for _ in range(2))
    made = saying(students, {"fine": Grid(1.5, 4), "coarse": Grid(3.5, 8)})
    losses = made({**teachers, VIEW: torch.zeros(4, 3, 24, 24)})
    assert losses.shape == (4,) and torch.allclose(losses.sum(), STFPMLoss()(teachers, students))
    of_one = {name: output[:1] for name, output in teachers.items()}
    says_one = saying({name: output[:1] for name, output in students.items()}, made.grids)
    maps = [
        AnomalyMapGenerator.compute_layer_map(of_one[name], students[name][:1], (6, 6)) for name in ("fine", "coarse")
    ]
    found = says_one.found({**of_one, VIEW: torch.zeros(1, 3, 24, 24)})
    assert torch.allclose(found.cells, (maps[0] * maps[1])[0, 0], rtol=1e-5)
    assert found.score == float(found.cells.max()) and says_one.grid == Grid(1.5, 4)


def striped(count: int, seed: int) -> np.ndarray:
    """Views of slanted stripes, each with a phase of its own, in a little noise: float32 (count, 3, S, S)."""
    draws = np.random.default_rng(seed)
    across = np.add.outer(np.arange(SIDE), np.arange(SIDE)) / 3
    stripes = np.stack([np.sin(across + phase) for phase in draws.uniform(0, 1, count)])
    noise = 0.1 * draws.standard_normal((count, 3, SIDE, SIDE))
    return (stripes[:, None] + noise).astype(np.float32)


def test_a_planted_defect_is_found(tmp_path: Path) -> None:
    detector = fit(StfpmSpec(TAUGHT, epochs=40), tmp_path, taught_by(striped(20, 0), "striped")).detector
    views = striped(5, 1)
    views[4, :, 32:48, 16:32] = 3.0
    scores = detector.score(taught_by(views, "seen").chunk(0, 5, SPEC.inputs))
    assert scores.image[4] > 1.5 * scores.image[:4].max()
    row, column = np.unravel_index(scores.patches[4].argmax(), scores.patches[4].shape)
    there = np.array([row, column]) * detector.grid.stride + detector.grid.offset
    assert np.abs(there - [40, 24]).max() <= 12


def test_the_same_bits_on_any_number_of_threads_and_after_a_kill(
    tmp_path: Path, in_a_process: Callable[[Callable[[], None]], int]
) -> None:
    before, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(fit(SPEC, tmp_path / f"{count}"))
    finally:
        torch.set_num_threads(before)

    def die(epoch: Epoch) -> None:
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WIFSIGNALED(os.waitpid(in_a_process(lambda: fit(SPEC, tmp_path / "killed", told=die)), 0)[1])
    results.append(fit(SPEC, tmp_path / "killed"))
    assert results[-1].saved_seconds > 0
    for other in results[1:]:
        assert same_state(other.detector, results[0].detector) and other.epochs == results[0].epochs


def test_the_processor_computes_with_all_bits(tmp_path: Path) -> None:
    fewer = fit(replace(SPEC, mixed_precision=True), tmp_path / "fewer")
    assert same_state(fewer.detector, fit(SPEC, tmp_path).detector)


def test_losses_are_of_32_bits_where_the_network_has_16() -> None:
    made, inputs = student(TEACHER, TAUGHT), taught().chunk(0, 4, SPEC.inputs)
    with torch.autocast("cpu", torch.bfloat16):
        losses = made.train()(inputs)
    assert losses.dtype == torch.float32 and torch.allclose(losses, made(inputs), rtol=0.05)


def test_batch_norm_learns_and_nothing_is_dropped() -> None:
    made = student("efficientnet_b0", ("features.2", "features.3")).train()
    training = [one for one in made.network.modules() if one.training]
    assert training and all(isinstance(one, _BatchNorm) for one in training)
    assert not any(one.training for one in made.eval().modules())


def test_what_a_network_computes_when_it_is_built_is_there_again_when_it_is_read(tmp_path: Path) -> None:
    """The filters of blurring are no part of its state."""
    layers = ("layer1", "layer2")
    made, grids = student("timm/resnetblur18", layers).eval(), Network("timm/resnetblur18").grids(layers)
    shapes = {"layer1": (64, 16, 16), "layer2": (128, 8, 8), VIEW: (3, SIDE, SIDE)}
    grids[VIEW] = Grid(0, 1)
    one = Stfpm(made.spec, made, Seen(shapes, grids, "timm/resnetblur18", SIDE))
    one.save(tmp_path)
    draws = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(1, *shape, generator=draws) for name, shape in shapes.items()}
    assert same_scores(Stfpm.load(tmp_path, CPU).score(inputs), one.score(inputs))


def test_parameters_that_no_layer_needs_do_no_harm() -> None:
    """The coarsest branch of this network is merged into finer ones that are left out."""
    made = student("timm/hrnet_w18_small", ("stage2", "stage3"))
    inputs = {VIEW: taught().chunk(0, 2, (VIEW,))[VIEW]}
    with torch.no_grad():
        inputs |= {layer: torch.rand_like(output) for layer, output in made.network(inputs[VIEW]).items()}
    before = made.network.state_dict()["stage2.0.branches.0.0.conv1.weight"].clone()
    learn(made, made.optimiser(), inputs, lambda losses: {"loss": losses.mean()}, Manner(together=True))
    assert not made.network.state_dict()["stage2.0.branches.0.0.conv1.weight"].equal(before)


def test_a_layer_without_places_is_refused(tmp_path: Path) -> None:
    inputs = taught().chunk(0, 1, SPEC.inputs)
    inputs["layer3"] = inputs["layer3"][:, :, :1, :1]
    with pytest.raises(UserError, match="layer must give a grid of patches, but layer3 gives"):
        student(TEACHER, TAUGHT)(inputs)


def test_one_image_is_too_few_for_batch_norm_of_whole_images() -> None:
    layers = ("layer1", "layer2")
    made = student("timm/resnest14d", layers).train()
    inputs = {
        "layer1": torch.zeros(1, 256, 16, 16),
        "layer2": torch.zeros(1, 512, 8, 8),
        VIEW: torch.zeros(1, 3, 64, 64),
    }
    with pytest.raises(UserError, match="steps must have at least 2 images"):
        made(inputs)


def test_without_a_network_there_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="backbone must be"):
        fit(SPEC, tmp_path, network="")
