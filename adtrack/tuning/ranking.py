"""Which trial is better: by the objective, and among equals by what else Val says of them."""

import math
from collections.abc import Sequence
from statistics import fmean

from adtrack.data.imageset import VAL_SETS
from adtrack.tracking.trials import TrialRecord

# What tells trials of one objective apart, in this order; the higher mean of Val-clean and Val-shift wins.
TIE_BREAKERS = {
    "pixel_aupro_030": "AU-PRO 0.30",
    "pixel_auroc": "pixel AUROC",
    "image_auprc": "AUPRC",
    "image_auroc": "image AUROC",
}
COMPARED = 6  # trials of which a study's report says more than of the others, and whose pixels are measured
TIES = (
    "Of trials with equal objectives the one with the higher AU-PRO wins (mean of Val-clean and Val-shift, where "
    "pixels were measured). Then pixel AUROC, AUPRC and image AUROC decide, then the smaller model, then the earlier "
    "trial."
)
_DECIMALS = 9  # beyond them two values differ by rounding: sums over images in another order


def objective(trial: TrialRecord) -> float:
    """The trial's objective, NaN if it has none."""
    return trial.metrics.get("objective", math.nan)


def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials from best to worst, whatever order they come in.

    Feasible ones first, then the higher objective, the winner of TIE_BREAKERS, the smaller model, the earlier trial;
    those without an objective come last.
    """
    return sorted(trials, key=lambda trial: (*_merit(trial), *(-value for value in _others(trial)), *_least(trial)))


def compared(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that a study's report compares, best first."""
    return ranked(trials)[:COMPARED]


def tie_in_words(trials: Sequence[TrialRecord]) -> str:
    """How many trials have the best one's objective, and what decided between it and the next; "" if it is alone."""
    order = ranked(trials)
    if not order or math.isnan(objective(order[0])):
        return ""
    equal = [trial for trial in order if _merit(trial) == _merit(order[0])]
    if len(equal) < 2:
        return ""
    best, second = equal[:2]
    pairs = zip(TIE_BREAKERS.values(), _others(best), _others(second), strict=True)
    by = next((f"its {name} on Val ({one:.3f}, next {two:.3f})" for name, one, two in pairs if one != two), "")
    by = by or ("its smaller model" if _least(best)[0] != _least(second)[0] else "coming first")
    return f"{len(equal)} trials have the best objective; trial {best.number} wins by {by}."


def _merit(trial: TrialRecord) -> tuple[bool, bool, float]:
    """Lower is better; equal ones tie."""
    undefined = math.isnan(objective(trial))
    return undefined, not trial.feasible, 0.0 if undefined else -round(objective(trial), _DECIMALS)


def _others(trial: TrialRecord) -> list[float]:
    """The trial's value of each tie-breaker; what it does not have is worse than anything."""
    return [_mean(trial, metric) for metric in TIE_BREAKERS]


def _mean(trial: TrialRecord, metric: str) -> float:
    values = [trial.metrics.get(f"{name}/{metric}", math.nan) for name in VAL_SETS]
    known = [value for value in values if not math.isnan(value)]
    return round(fmean(known), _DECIMALS) if known else -1.0


def _least(trial: TrialRecord) -> tuple[float, int]:
    return trial.metrics.get("cost/bank_mb", math.inf), trial.number
