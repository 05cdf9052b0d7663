"""Charts of an experiment's results."""

from collections.abc import Mapping, Sequence

import numpy as np

from adtrack.evaluation.intervals import Estimate
from adtrack.lab.rows import MACRO, Line
from adtrack.lab.tables import HEADINGS
from adtrack.reporting.charts import Chart, Lines, Matrix, Panels, Points, Scatter, Spot


def shown(found: Sequence[Line]) -> list[Line]:
    """The lines that stand for all classes: the macro mean, or the only class."""
    return [line for line in found if line.class_name == found[-1].class_name]


def points_chart(found: Sequence[Line], metric: str, along: str, by: str, title: str) -> Chart:
    """A metric with its intervals: the texts in the column ``along`` are the categories of the axis, and those in the
    column ``by`` are the series."""
    some = shown(found)
    categories = list(dict.fromkeys(line.names[along] for line in some))
    series = {
        name: [line.metrics[metric] for line in some if line.names[by] == name]
        for name in dict.fromkeys(line.names[by] for line in some)
    }
    return Chart(f"{title} ({_of(some)})", along, HEADINGS[metric], Points(categories, series))


def curves_chart(found: Sequence[Line], metric: str, along: str, title: str) -> Chart:
    """A metric with its intervals as bands, along the numbers of the column ``along``; a series for each of what the
    other columns say."""
    some = shown(found)
    return Chart(f"{title} ({_of(some)})", along, HEADINGS[metric], _curves(some, metric, along))


def panels_chart(found: Sequence[Line], metrics: Sequence[str], along: str, title: str, note: str = "") -> Chart:
    """Several metrics side by side, each as in ``curves_chart``."""
    some = shown(found)
    plots = {HEADINGS[metric]: _curves(some, metric, along) for metric in metrics}
    return Chart(f"{title} ({_of(some)})", along, "", Panels(plots), note)


def _curves(some: Sequence[Line], metric: str, along: str) -> Lines:
    columns = [name for name in some[0].names if name != along and len({line.names[name] for line in some}) > 1]
    series: dict[str, list[Estimate]] = {}
    for line in some:
        series.setdefault(", ".join(line.names[name] for name in columns), []).append(line.metrics[metric])
    return Lines([float(value) for value in dict.fromkeys(line.names[along] for line in some)], series)


def scatter_chart(
    title: str, x: str, y: str, series: Mapping[str, Sequence[Spot]], *, diagonal: bool = False, log_x: bool = False
) -> Chart:
    """A chart of spots, given by the name of their series."""
    return Chart(title, x, y, Scatter(series, diagonal, log_x))


def matrix_chart(title: str, x: str, y: str, names: Sequence[str], values: np.ndarray) -> Chart:
    """A square matrix of shares with the same names on both sides."""
    return Chart(title, x, y, Matrix(names, names, values.tolist()))


def _of(some: Sequence[Line]) -> str:
    return some[0].class_name if some[0].class_name != MACRO else "macro mean over classes"
