"""Methods that learn: the same bits every time, also after a kill; what is held out; and what a run shows of it."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adtrack.detectors.contract import FitResult
from adtrack.detectors.learned.feature_ae import FeatureAe, FeatureAeSpec
from adtrack.detectors.learned.fitting import split_off
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.training import gradients, loop
from adtrack.training.loop import Epoch, Trained
from tests.detectors.conftest import synthetic
from tests.detectors.contract import LAYERS, Synthetic, same_state

SPEC = FeatureAeSpec(LAYERS, latent=4, epochs=3, batch=2)
__all__ = ["synthetic"]  # the fixture


def fit(synthetic: Synthetic, kept: Path, spec: FeatureAeSpec = SPEC, **more: object) -> FitResult[FeatureAeSpec]:
    return FeatureAe.fit(replace(TrainingSet(synthetic(6), spec.inputs, kept), **more), spec)


def test_a_killed_training_goes_on_to_the_same_bits(
    synthetic: Synthetic,
    tmp_path: Path,
    in_a_process: Callable[[Callable[[], None]], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = fit(synthetic, tmp_path / "whole")

    def die(epoch: Epoch) -> None:
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WIFSIGNALED(os.waitpid(in_a_process(lambda: fit(synthetic, tmp_path / "killed", told=die)), 0)[1])
    steps: list[int] = []
    monkeypatch.setattr(loop, "learn", lambda *given: steps.append(1) or gradients.learn(*given))
    again = fit(synthetic, tmp_path / "killed")
    assert len(steps) == 3  # of the third epoch alone: five images in steps of two
    assert same_state(again.detector, whole.detector) and again.epochs == whole.epochs
    assert again.saved_seconds == sum(epoch.seconds for epoch in again.epochs[:2]) > 0


def test_a_training_that_has_ended_is_not_repeated(
    synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(synthetic, tmp_path)
    monkeypatch.setattr(loop, "learn", lambda *given: pytest.fail("it learns again"))
    told: list[int] = []
    again = fit(synthetic, tmp_path, told=lambda epoch: told.append(epoch.number))
    assert told == [1, 2, 3] and again.epochs == whole.epochs and same_state(again.detector, whole.detector)
    assert again.saved_seconds == sum(epoch.seconds for epoch in again.epochs)


def test_it_learns_what_good_images_look_like(synthetic: Synthetic, tmp_path: Path) -> None:
    epochs = fit(synthetic, tmp_path, replace(SPEC, epochs=30, lr=1e-2)).epochs
    assert epochs[-1].train["loss"] < epochs[0].train["loss"] / 2


def test_all_draws_of_a_held_out_image_are_held_out(
    synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[list[int]]] = []
    monkeypatch.setattr(
        "adtrack.detectors.learned.fitting.train",
        lambda lesson, learned, held_out, *rest: asked.append([learned, held_out]) or Trained((), 0),
    )
    fit(synthetic, tmp_path, originals=3)
    ((learned, held_out),) = asked
    assert sorted(learned + held_out) == list(range(6)) and len(held_out) == 2
    assert {item % 3 for item in learned}.isdisjoint({item % 3 for item in held_out})


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (3, 1), (10, 2), (100, 20)])
def test_at_least_one_image_is_held_out_and_one_learned_from(count: int, held_out: int) -> None:
    kept, out = split_off(count, SPEC)
    assert len(out) == held_out and sorted(kept + out) == list(range(count))


def test_one_image_is_too_few() -> None:
    with pytest.raises(UserError, match="feature_ae must see at least 2 training images"):
        split_off(1, SPEC)


def test_old_trainings_give_way(synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adtrack.training.checkpoint._MOST_BYTES", 1)
    fit(synthetic, tmp_path)
    fit(synthetic, tmp_path, replace(SPEC, lr=0.01))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
