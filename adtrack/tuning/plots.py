"""The figures of a study, drawn by Optuna from the trials that the tracking store remembers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from plotly.colors import sample_colorscale
from plotly.graph_objects import Figure, Scatter

from adtrack.errors import UserError
from adtrack.palette import BLUE, LIGHT, ORANGE
from adtrack.reporting.figures import AXIS_WIDTH, BREAK, NOTE_WIDTH, plain, titled, write_figure
from adtrack.reporting.layout import LEAST_SPREAD, value_range
from adtrack.settings import Setting
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.ranking import objective
from adtrack.tuning.searched import about, parameters, settings_of, trial_settings, value_text

MOST_LINES = 500  # above this, parallel coordinates are a smear that takes seconds to draw
COLOURS = [[0, ORANGE], [1, BLUE]]  # blue is good; neither end is lost on a light or on a dark ground


def study_figures(trials: Sequence[TrialRecord], objective_name: str = "Objective") -> dict[str, Figure]:
    """The figures of one study by name: optimisation_history, parameter_importance, parallel_coordinates.

    Trials without a finite objective have no place in a figure: the subtitle counts them, and without other trials
    there are no figures. parameter_importance is left out where no parameter varies or the objective never does.
    """
    shown = sorted((trial for trial in trials if math.isfinite(objective(trial))), key=lambda trial: trial.number)
    if not shown:
        return {}
    subtitle = plain(_subtitle(trials), NOTE_WIDTH)
    with _quiet():
        history = _history(shown, plain(objective_name, AXIS_WIDTH))
        figures = {"optimisation_history": titled(history, "Optimisation history", subtitle)}
        varying = _varying(shown)
        if varying and _spread(shown) > LEAST_SPREAD:
            importance = _importance(shown, varying)
            figures["parameter_importance"] = titled(importance, "Parameter importance", subtitle)
        newest = f" · the newest {MOST_LINES} of them" if len(shown) > MOST_LINES else ""
        lines = _parallel(shown[-MOST_LINES:])
        told = plain(f"{_subtitle(trials)}{newest} · {objective_name}", 150)
        figures["parallel_coordinates"] = titled(lines, "Parallel coordinates", told)
    return figures


def _spread(trials: Sequence[TrialRecord]) -> float:
    """By how much the trials' objectives differ."""
    return objective(max(trials, key=objective)) - objective(min(trials, key=objective))


def write_figures(figures: Mapping[str, Figure], class_name: str, folder: Path) -> list[Path]:
    """Writes each figure of a class's study as <name>.html: it holds all that it needs and opens without a network."""
    titles = {name: f"{name.replace('_', ' ').capitalize()} of {class_name}" for name in figures}
    return [write_figure(figure, Path(folder) / f"{name}.html", titles[name]) for name, figure in figures.items()]


def _subtitle(trials: Sequence[TrialRecord]) -> str:
    """Which study the figure shows."""
    studies = sorted({(trial.class_name, trial.study, trial.split_digest[:12]) for trial in trials})
    if len(studies) != 1:
        raise UserError(f"a figure shows the trials of one study, but got those of {len(studies)}.", "Choose one.")
    class_name, study, split = studies[0]
    undefined = sum(not math.isfinite(objective(trial)) for trial in trials)
    left_out = f" · {undefined} without a finite objective left out" if undefined else ""
    count = f"{len(trials)} trial{'s' * (len(trials) != 1)}"
    return f"{class_name} · study {study} · split {split} · {count}{left_out}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says "A new study created" and the like on stderr: nothing that a reader of figures could act on."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _varying(trials: Sequence[TrialRecord]) -> list[str]:
    """The labels of the settings of which the trials tried more than one value."""
    values = {one.key: {parameters(trial).get(one.key) for trial in trials} for one in settings_of(trials)}
    return [_label(one) for one in settings_of(trials) if len(values[one.key] - {None}) > 1]


def _label(one: Setting) -> str:
    """A setting as an axis names it: ``Patch size``."""
    return one.label.capitalize()


def _coordinates(trial: TrialRecord) -> dict[str, float | str]:
    """Where a trial stands on the axes, by their labels: at a number, or at a text."""
    found, known = parameters(trial), trial_settings(trial)
    return {_label(one): _coordinate(one, found[one.key]) for one in known if one.key in found}


def _coordinate(one: Setting, value: object) -> float | str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return plain(value_text(one, value))


def _order(value: float | str) -> tuple[bool, float, str]:
    """Numbers by size, then texts by their letters."""
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def _study(trials: Sequence[TrialRecord]) -> optuna.Study:
    """The trials, in the order given, as an Optuna study in memory."""
    rows = [_coordinates(trial) for trial in trials]
    labels = [_label(one) for one in settings_of(trials)]
    choices = {label: sorted({row[label] for row in rows if label in row}, key=_order) for label in labels}
    spaces = {label: CategoricalDistribution(values) for label, values in choices.items() if values}
    limited = not all(trial.feasible for trial in trials)
    study = optuna.create_study(direction="maximize")
    for trial, row in zip(trials, rows, strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                value=objective(trial),
                params=row,
                distributions={label: spaces[label] for label in row},
                constraints={"model size": 0.0 if trial.feasible else 1.0} if limited else None,
            )
        )
    return study


def _history(trials: Sequence[TrialRecord], axis: str) -> Figure:
    figure = optuna.visualization.plot_optimization_history(_study(trials), target_name=axis)
    # Optuna numbers the trials of a new study afresh.
    for trace in figure.data:
        seen = [trials[index] for index in trace.x]
        trace.update(x=[trial.number for trial in seen], text=[_about(trial) for trial in seen])
    figure.update_traces(marker={"size": 9}, hovertemplate=f"%{{text}}{BREAK}%{{y:.4f}}", selector={"mode": "markers"})
    figure.update_traces(name="Trial", selector={"name": axis})
    figure.update_traces(name="Best so far", line={"shape": "hv"}, hoverinfo="skip", selector={"mode": "lines"})
    limited = not all(trial.feasible for trial in trials)
    figure.update_traces(name="Above the limit on size", showlegend=limited, selector={"name": "Infeasible Trial"})
    figure.update_xaxes(dtick=1 if len(trials) <= 10 else None)  # no half trials
    figure.update_yaxes(range=value_range(map(objective, trials)))  # of equal values Plotly would draw 0 to 2
    return figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"})


def _about(trial: TrialRecord) -> str:
    words = about(trial)
    return plain(words[0].upper() + words[1:])


def _importance(trials: Sequence[TrialRecord], varying: list[str]) -> Figure:
    # Seeded fANOVA: with the some 20 trials of a study, Optuna's default would look at the best two alone.
    from optuna.importance import FanovaImportanceEvaluator  # imports scikit-learn, which the trials can do without

    evaluator = FanovaImportanceEvaluator(seed=0)
    figure = optuna.visualization.plot_param_importances(_study(trials), evaluator, varying)
    return figure.update_layout(
        xaxis={"title": "Share of the objective's variance (fANOVA)", "rangemode": "tozero"}, yaxis={"title": ""}
    )


def _parallel(trials: Sequence[TrialRecord]) -> Figure:
    # Optuna's axes list texts as they appear: sorted trials give sorted axes.
    by_texts = sorted(trials, key=lambda trial: [text for text in parameters(trial).values() if isinstance(text, str)])
    figure = optuna.visualization.plot_parallel_coordinate(_study(by_texts), target_name="Objective")
    figure.data = sorted(figure.data, key=_height)  # the best trials on top
    for trace in filter(_is_trial, figure.data):
        trace.update(opacity=0.8, line={"color": sample_colorscale(COLOURS, trace.y[0])[0], "width": 2})
    figure.update_traces(marker={"colorscale": COLOURS}, selector={"mode": "markers"})
    figure.update_traces(name="Within the limit on size", selector={"name": "Feasible"})
    figure.update_traces(name="Above it", selector={"name": "Infeasible"})
    if _spread(trials) <= LEAST_SPREAD:  # Optuna's colours would run beyond any value there is
        figure.update_traces(marker={"showscale": False}, selector={"mode": "markers"})
    figure.update_annotations(bgcolor=LIGHT.ground, font={"color": LIGHT.soft, "size": 12})
    return figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": -0.08, "yanchor": "top"})


def _is_trial(trace: Scatter) -> bool:
    """Whether the trace is a trial's line, not an entry of the legend or the colour bar."""
    return trace.customdata is not None


def _height(trace: Scatter) -> float:
    """Where a trial's line starts on the objective's axis, 0 (worst) to 1 (best); legends come after all trials."""
    return trace.y[0] if _is_trial(trace) else 2.0
