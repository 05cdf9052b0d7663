"""Quality against model size: trials that differ in their ladder alone make one arm, and each arm is a curve."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from plotly.graph_objects import Figure
from plotly.graph_objects import Scatter as Trace

from adtrack.palette import GREY, colour
from adtrack.reporting.curves import LEGEND_BELOW
from adtrack.reporting.figures import ALONE, AXIS_WIDTH, plain, titled
from adtrack.tracking.run_contents import metric_curve
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.ladder import LADDER
from adtrack.tuning.ranking import compared, objective
from adtrack.tuning.searched import arm

Way = Mapping[int, float]  # {rows of a detector: its objective}
_OTHERS = "other arms"


def arms(trials: Sequence[TrialRecord]) -> dict[str, dict[int, float]]:
    """The curve of each arm by its words, the arms of the best trials first: what its trials were worth at each rung,
    and in the end."""
    found: defaultdict[str, dict[int, float]] = defaultdict(dict)
    best = compared(trials)
    for trial in (*best, *(one for one in trials if one not in best)):
        way = found[arm(trial)]
        way.update(metric_curve(trial.run_id, LADDER))
        if math.isfinite(objective(trial)) and "cost/bank_rows" in trial.metrics:
            way[round(trial.metrics["cost/bank_rows"])] = objective(trial)
    return {name: dict(sorted(way.items())) for name, way in found.items() if way}


def arms_figure(trials: Sequence[TrialRecord], objective_name: str, rows: str) -> Figure | None:
    """The curves of all arms, those of the best trials in colour. None where no arm has more than one size."""
    curves = arms(trials)
    if not any(len(way) > 1 for way in curves.values()):
        return None
    best = {arm(trial): place for place, trial in reversed([*enumerate(compared(trials))])}
    coloured = sorted((name for name in curves if name in best), key=lambda name: best[name])
    figure = Figure()
    for name, way in sorted(curves.items(), key=lambda item: item[0] in best):  # those in colour lie on top
        _draw(figure, name, way, coloured.index(name) if name in best else None)
    figure.update_layout(xaxis_title=plain(rows.capitalize()), yaxis_title=plain(objective_name, AXIS_WIDTH))
    figure.update_xaxes(type="log")
    titled(figure, "Quality against the number of " + plain(rows))
    return figure.update_layout(margin={"l": 65, "r": 20, "t": 60, "b": 60}, legend=LEGEND_BELOW)


def _draw(figure: Figure, name: str, way: Way, place: int | None) -> None:
    """The curve of an arm: in the colour of its ``place`` with an entry in the legend, else in grey."""
    line = {"color": GREY, "width": 1} if place is None else {"color": colour(place), "width": 2.5}
    known = any(trace.name == _OTHERS for trace in figure.data)
    figure.add_trace(
        Trace(
            x=[*way],
            y=[*way.values()],
            mode="lines+markers",
            name=_OTHERS if place is None else plain(name),
            legendgroup=_OTHERS if place is None else plain(name),
            showlegend=place is not None or not known,
            line=line,
            hovertemplate=f"{plain(name)}: %{{y:.4f}} with %{{x:.0f}}{ALONE}",
        )
    )
