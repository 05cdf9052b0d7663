"""The time that a study still takes follows what its trials compute."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.feature_set import FeatureSet
from adtrack.tuning.estimate import Pace

LAYERS = {"fine": (20, 8, 16, 16), "coarse": (20, 16, 8, 8)}  # images, channels, rows and columns


def spec(fraction: float, *layers: str) -> PatchCoreSpec:
    return PatchCoreSpec(layers or ("fine",), 3, fraction)


@pytest.fixture
def pace() -> Pace:
    outputs = {name: np.empty(shape, np.float32) for name, shape in LAYERS.items()}
    features = FeatureSet("k", outputs, {}, torch.device("cpu"), 64)
    return Pace(SimpleNamespace(features=lambda name: features))


def test_a_trial_costs_its_share_of_what_there_is_to_compute(pace: Pace) -> None:
    def effort(one: PatchCoreSpec) -> float:
        return PatchCore.effort(pace.bench.features("train_clean"), one)

    known = [spec(0.01), spec(0.25), spec(0.1, "fine", "coarse")]
    for one in known:
        pace.add(one, 2 + 1e-9 * effort(one), False)
    asked = spec(0.25, "fine", "coarse")
    assert pace.expected([(spec(0.01), asked)]) == pytest.approx(2 + 1e-9 * effort(asked), rel=1e-9)
    assert effort(spec(0.1, "coarse")) < effort(spec(0.1)) < effort(spec(0.1, "fine", "coarse")) < effort(asked)


def test_of_trials_that_are_alike_the_mean_is_expected(pace: Pace) -> None:
    pace.add(PadimSpec(("fine",)), 3.0, False)
    assert pace.expected([(PadimSpec(("coarse",)),)]) == 3.0
    pace.add(PadimSpec(("coarse",)), 5.0, False)
    assert pace.expected([(PadimSpec(("coarse",)),)]) == 4.0


def test_nothing_is_expected_to_take_less_than_no_time(pace: Pace) -> None:
    pace.add(spec(0.25), 1.0, False)  # more to compute, and sooner done: the first trial had to warm up
    pace.add(spec(0.01), 9.0, False)
    assert pace.expected([(spec(0.25),)]) == pytest.approx(5.0)


def test_as_many_trials_are_expected_to_end_early_as_have_ended_early(pace: Pace) -> None:
    for fraction, pruned in ((0.25, False), (0.01, True)):
        pace.add(spec(fraction), 100 * fraction, pruned)
    first, last = pace.expected([(spec(0.01),)]), pace.expected([(spec(0.25),)])
    assert first < last and pace.expected([(spec(0.01), spec(0.25))]) == pytest.approx((first + last) / 2)
