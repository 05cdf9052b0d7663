"""Charts of what a study's trials trade: quality against size, clean against shifted images.

Not against time: trials share the machine with each other and with whatever else it does, which would make a front of
chance.
"""

import math
from collections.abc import Sequence

from adtrack.reporting.charts import Chart, Scatter, Spot
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.ranking import objective, ranked
from adtrack.tuning.searched import about, parameters
from adtrack.tuning.spec import metric_words

ON_FRONT, BEHIND = "on the Pareto front", "not on it"
_SIZE = "cost/bank_mb"


def pareto_front(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that none beats, from the smallest: every other one is larger, or is worse, or is a later equal."""
    front: list[TrialRecord] = []
    for trial in sorted(ranked(trials), key=lambda trial: (trial.metrics[_SIZE], -objective(trial))):
        if not front or objective(trial) > objective(front[-1]):
            front.append(trial)
    return front


def size_chart(trials: Sequence[TrialRecord], objective_name: str) -> Chart | None:
    """The objective against the model's size, the Pareto front set off; None without numbers."""
    shown = [trial for trial in trials if math.isfinite(objective(trial)) and trial.metrics.get(_SIZE, 0) > 0]
    if not shown:
        return None
    front = pareto_front(shown)
    series = {
        ON_FRONT: [_spot(trial, f"{trial.number}") for trial in front],
        BEHIND: [_spot(trial, "") for trial in shown if trial not in front],
    }
    series = {key: spots for key, spots in series.items() if spots}
    return Chart("Quality against size", "Model in MB", objective_name, Scatter(series, log_x=True))


def _spot(trial: TrialRecord, label: str) -> Spot:
    size = trial.metrics[_SIZE]
    return Spot(size, objective(trial), label, f"{about(trial)}; {size:.3g} MB, {objective(trial):.4f}")


def shift_chart(trials: Sequence[TrialRecord], metric: str) -> Chart | None:
    """``metric`` on Val-clean against Val-shift, a series for each choice of layers; None without numbers."""
    clean, shift = f"val_clean/{metric}", f"val_shift/{metric}"
    series: dict[str, list[Spot]] = {}
    for trial in sorted(trials, key=lambda trial: str(parameters(trial).get("layers", ""))):
        x, y = (trial.metrics.get(name, math.nan) for name in (clean, shift))
        if math.isfinite(x) and math.isfinite(y):
            spot = Spot(x, y, "", f"{about(trial)}; clean {x:.4f}, shift {y:.4f}")
            series.setdefault(str(parameters(trial).get("layers", "all")), []).append(spot)
    if not series:
        return None
    name = metric_words(metric)
    return Chart("Who keeps working?", f"{name} on Val-clean", f"{name} on Val-shift", Scatter(series, diagonal=True))
