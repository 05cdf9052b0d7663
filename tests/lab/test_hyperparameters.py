"""Hyperparameters under shift: hand-computed from a few trials."""

import math

import pandas as pd
import pytest

from adtrack.lab.hyperparameters import effects, rank_correlation, regret, trial_frame
from adtrack.tracking.trials import TrialRecord


def trial(number: int, layers: str, patch: int, fraction: float, clean: float, shifted: float) -> TrialRecord:
    params = {"layers": layers, "patch_size": str(patch), "coreset_fraction": str(fraction)}
    metrics = {"val_clean/image_auroc": clean, "val_shift/image_auroc": shifted, "cost/bank_mb": 1.0}
    return TrialRecord("part", "study", "digest", number, f"run{number}", params, metrics)


@pytest.fixture
def trials() -> pd.DataFrame:
    return trial_frame(
        [
            trial(0, "layer2", 1, 0.01, 0.8, 0.7),
            trial(1, "layer2", 3, 0.1, 0.9, 0.6),
            trial(2, "layer3", 3, 0.01, 0.7, 0.5),
        ]
    )


def test_effects_are_means_over_the_trials_with_a_value(trials: pd.DataFrame) -> None:
    found = {(effect.parameter, effect.value): effect for effect in effects(trials)}
    layer2 = found["layers", "layer2"]
    assert (layer2.trials, layer2.clean, layer2.shifted) == (2, pytest.approx(0.85), pytest.approx(0.65))
    assert layer2.drop == pytest.approx(0.2)
    assert found["patch_size", "3"].trials == 2 and found["coreset_fraction", "0.1"].clean == pytest.approx(0.9)
    assert len(found) == 2 + 2 + 2


def test_rank_correlation_and_regret(trials: pd.DataFrame) -> None:
    assert rank_correlation(trials) == pytest.approx(0.5)  # ranks 2 3 1 against 3 2 1
    assert regret(trials) == pytest.approx(0.1)  # trial 1 is best on clean images, trial 0 on shifted ones
    assert regret(trials.assign(clean=0.5)) == pytest.approx(0.1)  # the mean of 0, 0.1 and 0.2
    assert math.isnan(rank_correlation(trials.iloc[:2]))
    assert math.isnan(rank_correlation(trials.assign(clean=0.5)))
