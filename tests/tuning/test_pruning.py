"""Pruners: names, what each refuses, and when the usual one calls a trial hopeless."""

from collections.abc import Mapping

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from adtrack.errors import UserError
from adtrack.tuning.pruning import PRUNERS, Hopeless, Rung, check_pruner, make_pruner, prunes


def study_of(*ways: Mapping[int, float], pruner: optuna.pruners.BasePruner | None = None) -> optuna.Study:
    """A study whose trials went these ways: {place of a rung: value}."""
    study = optuna.create_study(direction="maximize", pruner=pruner or Hopeless())
    for way in ways:
        study.add_trial(create_trial(value=way[max(way)], intermediate_values=dict(way)))
    return study


def hopeless(study: optuna.Study, *values: float) -> bool:
    """Whether a trial that comes to these values, rung by rung, is given up at the last of them."""
    trial = study.ask()
    found = [prunes(trial, Rung(place, 10 * place, value, np.zeros(4))) for place, value in enumerate(values, 1)]
    study.tell(trial, state=TrialState.FAIL)
    return found[-1]


WAYS = ({1: 0.80, 2: 0.84, 3: 0.86}, {1: 0.70, 2: 0.74, 3: 0.72}, {1: 0.90, 2: 0.90, 3: 0.91})


def test_a_trial_is_hopeless_below_what_any_other_could_have_gained() -> None:
    # Gains from the first rung: 0.06, 0.04, 0.01. Their standard deviation is 0.0252, so 0.0852 may still come.
    study = study_of(*WAYS)
    assert hopeless(study, 0.82) and not hopeless(study, 0.83)
    # From the second: 0.02, −0.02, 0.01; their standard deviation is 0.0208.
    assert hopeless(study, 0.83, 0.865) and not hopeless(study, 0.83, 0.875)


def test_until_three_trials_have_gone_the_same_way_none_is_hopeless() -> None:
    assert not hopeless(study_of(*WAYS[:2]), 0.1)
    assert not hopeless(study_of(*WAYS, {1: 0.5}), 0.1, 0.1, 0.1)  # nobody has been higher


def test_a_larger_model_that_lost_does_not_lower_what_may_be_gained() -> None:
    falling = [{1: 0.9, 2: 0.8}, {1: 0.8, 2: 0.7}, {1: 0.7, 2: 0.6}]
    assert not hopeless(study_of(*falling), 0.8) and hopeless(study_of(*falling), 0.79)


def test_ways_of_pruned_trials_count_but_their_values_are_not_to_be_beaten() -> None:
    study = study_of(*WAYS[:2])
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.95, 2: 0.99}))
    assert not hopeless(study, 0.80) and hopeless(study, 0.75)


def test_a_model_that_is_too_large_to_win_is_not_what_others_have_to_beat() -> None:
    study = study_of(*WAYS[:2])
    study.add_trial(create_trial(value=0.91, intermediate_values=dict(WAYS[2]), constraints={"bank_mb": 3.0}))
    assert not hopeless(study, 0.80) and hopeless(study, 0.75)  # 0.86 is to be beaten, not 0.91


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_judges_and_spares_the_best(name: str) -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner(name, 3))
    ended = []
    for value in [0.9, 0.88, 0.86, 0.84, 0.82, *[0.3] * 20]:
        trial, pruned = study.ask(), False
        for place in (1, 2, 3):
            shares = np.linspace(value - 0.1, value, 12)
            if place < 3 and (pruned := prunes(trial, Rung(place, 10 * place, value, shares))):
                break
        study.tell(trial, None if pruned else value, TrialState.PRUNED if pruned else TrialState.COMPLETE)
        ended.append(pruned)
    assert not ended[0] and any(ended) == (name != "none")
    assert study.best_value == 0.9


@pytest.mark.parametrize(
    ("name", "metric", "values", "words"),
    [
        (
            "halving",
            "image_auroc",
            1,
            "pruner must be one of auto, none, median, hyperband, wilcoxon, but got 'halving'",
        ),
        ("median", "image_auroc", 2, "pruner median needs one value of each trial, but a Pareto study has 2"),
        ("hyperband", "pixel_auroc", 1, "pruner hyperband needs a metric of images, but got pixel_auroc"),
        ("wilcoxon", "f1", 1, "compares trials image by image, which only image_auroc allows, but got f1"),
    ],
)
def test_what_a_pruner_cannot_judge_is_refused(name: str, metric: str, values: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_pruner(name, metric, values)
    for usual in ("auto", "none"):
        check_pruner(usual, metric, values)
