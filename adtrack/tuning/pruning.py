"""Which trials are given up on their way: a hopeless one ends at a small detector, before its large one is built.

A trial reports its exact value at every rung of its ladder. Optuna keeps the values by a whole number, the step: the
rung's place among the values of the space, so that trials with other layers can be compared at the same fraction.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.errors import UserError

PRUNERS = ("auto", "none", "median", "hyperband", "wilcoxon")
_LEARNT_FROM = 3  # finished trials whose way up tells how much a trial may still gain
_P = 0.1  # Wilcoxon's test: the probability below which a trial counts as worse than the best


@dataclass(frozen=True)
class Rung:
    """A detector on a trial's way: its place among the values of the ladder (1 is the smallest), its rows and value.

    ``paired`` float64 (n,) holds each defective image's share of the value: how many of the good images score lower.
    """

    place: int
    rows: int
    value: float
    paired: np.ndarray


def check_pruner(name: str, metric: str, values: int) -> None:
    """Refuse a pruner that there is not, or that cannot judge trials of this metric or of several values."""
    if name not in PRUNERS:
        raise UserError(f"pruner must be one of {', '.join(PRUNERS)}, but got {name!r}.")
    if name in ("auto", "none"):
        return
    if values > 1:
        raise UserError(
            f"pruner {name} needs one value of each trial, but a Pareto study has {values}.",
            "--pruner none has no need.",
        )
    if metric.startswith("pixel_"):
        raise UserError(
            f"pruner {name} needs a metric of images, but got {metric}: no anomaly maps are computed on a trial's way.",
            "--pruner none has no need.",
        )
    if name == "wilcoxon" and metric != "image_auroc":
        raise UserError(
            f"pruner wilcoxon compares trials image by image, which only image_auroc allows, but got {metric}.",
            "--pruner auto takes any metric of images.",
        )


def make_pruner(name: str, places: int) -> BasePruner:
    """The pruner of this name for ladders of at most so many rungs."""
    if name == "median":
        return MedianPruner()
    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=max(1, places), reduction_factor=2)
    if name == "wilcoxon":
        return WilcoxonPruner(p_threshold=_P)
    return Hopeless() if name == "auto" else NopPruner()


def prunes(trial: Trial, rung: Rung) -> bool:
    """Tell the study what a trial is worth at a rung. True: the trial is not worth to go on."""
    if isinstance(trial.study.pruner, WilcoxonPruner):
        for place, value in enumerate(rung.paired.tolist()):
            trial.report(value, (rung.place - 1) * len(rung.paired) + place)
    else:
        trial.report(rung.value, rung.place)
    return trial.should_prune()


class Hopeless(BasePruner):
    """Prunes a trial that would stay below the best one even if it gained more than any trial before.

    A trial's gain is its value at a later rung less that at this one. Once three trials have passed both rungs, a trial
    may still gain the largest gain that was seen, and their standard deviation besides. If that does not bring it up to
    the best finished trial whose model is small enough to win, it is hopeless.
    """

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None:
            return False
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        finished = [other.value for other in trials if _may_win(other) and other.value is not None]
        gains = list(_gains(trials, step))
        if not finished or len(gains) < _LEARNT_FROM:
            return False
        hope = max(0.0, *gains) + statistics.stdev(gains)
        return trial.intermediate_values[step] + hope < max(finished)


def _may_win(trial: FrozenTrial) -> bool:
    """Whether a trial has come to its end with a model within the study's limit on its size."""
    return trial.state == TrialState.COMPLETE and all(over <= 0 for over in trial.constraints.values())


def _gains(trials: Sequence[FrozenTrial], step: int) -> Iterator[float]:
    """For each trial that was seen at this rung and at later ones, the most that it has gained since."""
    for trial in trials:
        later = [value for place, value in trial.intermediate_values.items() if place > step]
        if step in trial.intermediate_values and later:
            yield max(later) - trial.intermediate_values[step]
