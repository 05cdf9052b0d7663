"""Charts of what a study's trials trade: quality against size and time, clean against shifted images."""

import math
from collections.abc import Sequence

from adtrack.reporting.charts import Chart, Scatter, Spot
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.ranking import objective, ranked
from adtrack.tuning.spec import metric_words
from adtrack.tuning.tables import parameters

ON_FRONT, BEHIND = "on the Pareto front", "not on it"
COSTS = {"bank_mb": ("Bank in MB", "bank size"), "score_ms": ("Milliseconds an image", "time an image")}


def about(trial: TrialRecord) -> str:
    """``trial 7: layer2+layer3, patch 3, fraction 0.05``."""
    found = parameters(trial)
    words = [str(found["layers"])] if "layers" in found else []
    words += [f"patch {found['patch_size']}"] if "patch_size" in found else []
    words += [f"fraction {found['coreset_fraction']:g}"] if "coreset_fraction" in found else []
    return f"trial {trial.number}: {', '.join(words)}"


def pareto_front(trials: Sequence[TrialRecord], cost: str) -> list[TrialRecord]:
    """The trials that none beats, from the cheapest: every other one costs more, or is worse, or is a later equal."""
    front: list[TrialRecord] = []
    for trial in sorted(ranked(trials), key=lambda trial: (trial.metrics[cost], -objective(trial))):
        if not front or objective(trial) > objective(front[-1]):
            front.append(trial)
    return front


def cost_chart(trials: Sequence[TrialRecord], cost: str, objective_name: str) -> Chart | None:
    """The objective against ``bank_mb`` or ``score_ms``, the Pareto front set off; None without numbers."""
    name = f"cost/{cost}"
    shown = [trial for trial in trials if math.isfinite(objective(trial)) and trial.metrics.get(name, 0) > 0]
    if not shown:
        return None
    front = pareto_front(shown, name)
    label, words = COSTS[cost]
    series = {
        ON_FRONT: [_spot(trial, trial.metrics[name], f"{trial.number}") for trial in front],
        BEHIND: [_spot(trial, trial.metrics[name], "") for trial in shown if trial not in front],
    }
    series = {key: spots for key, spots in series.items() if spots}
    return Chart(f"Quality against {words}", label, objective_name, Scatter(series, log_x=True))


def _spot(trial: TrialRecord, cost: float, label: str) -> Spot:
    return Spot(cost, objective(trial), label, f"{about(trial)}; {cost:.3g}, {objective(trial):.4f}")


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
