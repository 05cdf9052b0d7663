"""Hyperparameters under shift: hand-computed from a few trials."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from adtrack.lab.hyperparameters import effects, rank_correlation, regret, trial_frame
from adtrack.tracking.trials import TrialRecord


def trial(number: int, layers: str, patch: int, fraction: float, clean: float, shifted: float) -> TrialRecord:
    params = {"layers": layers, "patch_size": str(patch), "coreset_fraction": str(fraction)}
    metrics = {"val_clean/image_auroc": clean, "val_shift/image_auroc": shifted, "cost/bank_mb": 1.0}
    return TrialRecord("part", "study", "digest", number, f"run{number}", params, metrics)


@pytest.fixture
def records() -> list[TrialRecord]:
    return [
        trial(0, "layer2", 1, 0.01, 0.8, 0.7),
        trial(1, "layer2", 3, 0.1, 0.9, 0.6),
        trial(2, "layer3", 3, 0.01, 0.7, 0.5),
    ]


@pytest.fixture
def trials(records: list[TrialRecord]) -> pd.DataFrame:
    return trial_frame(records)


def test_effects_are_means_over_the_trials_with_a_value(records: list[TrialRecord]) -> None:
    found = {(effect.parameter, effect.value): effect for effect in effects(records)}
    layer2 = found["layers", "layer2"]
    assert (layer2.trials, layer2.clean, layer2.shifted) == (2, pytest.approx(0.85), pytest.approx(0.65))
    assert layer2.drop == pytest.approx(0.2)
    assert found["patch size", "3"].trials == 2 and found["coreset fraction", "0.1"].clean == pytest.approx(0.9)
    assert len(found) == 2 + 2 + 2


def test_the_hyperparameters_are_those_that_the_method_or_the_study_varies(records: list[TrialRecord]) -> None:
    padim = [
        replace(one, params={"method": "padim", "layers": "layer2", "padim_dimensions": str(10 + one.number)})
        for one in records
    ]
    assert {effect.parameter for effect in effects(padim)} == {"layers", "padim dimensions"}
    assert {"layers", "padim_dimensions"} < set(trial_frame(padim)) and "patch_size" not in trial_frame(padim)
    projected = [
        replace(one, params={"projection": text}, searched=("projection",))
        for one, text in zip(records, ("64", "None", "None"), strict=True)
    ]
    assert [(effect.value, effect.trials) for effect in effects(projected)] == [("64", 1), ("none", 2)]
    assert effects([]) == []


def test_rank_correlation_and_regret(trials: pd.DataFrame) -> None:
    assert rank_correlation(trials) == pytest.approx(0.5)  # ranks 2 3 1 against 3 2 1
    assert regret(trials) == pytest.approx(0.1)  # trial 1 is best on clean images, trial 0 on shifted ones
    assert regret(trials.assign(clean=0.5)) == pytest.approx(0.1)  # the mean of 0, 0.1 and 0.2
    assert math.isnan(rank_correlation(trials.iloc[:2]))
    assert math.isnan(rank_correlation(trials.assign(clean=0.5)))
