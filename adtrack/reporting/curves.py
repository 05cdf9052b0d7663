"""Curves and histograms of scores as Plotly figures in Plotly's own theme; the page puts on the light or dark one."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from plotly.graph_objects import Bar, Figure
from plotly.graph_objects import Scatter as Trace

from adtrack.palette import LIGHT, colour
from adtrack.reporting.figures import ALONE, DASHES, plain, titled

BINS = 40
LEGEND_BELOW = {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"}  # a legend that takes no width from the plot

Curve = tuple[ArrayLike, ArrayLike]


def curves_figure(
    title: str, x_label: str, y_label: str, curves: Mapping[str, Curve], *, x_end: float = 1.0, stepped: bool = False
) -> Figure:
    """Named curves over [0, ``x_end``], heights in [0, 1]; ``stepped`` ones keep their height until the next point."""
    figure = Figure()
    for index, (name, (x, y)) in enumerate(curves.items()):
        line = {"color": colour(index), "width": 2.5, "dash": DASHES[index % 2], "shape": "hv" if stepped else "linear"}
        hover = f"{plain(name)}: %{{x:.3f}}, %{{y:.3f}}{ALONE}"
        figure.add_trace(
            Trace(x=np.asarray(x), y=np.asarray(y), mode="lines", name=plain(name), line=line, hovertemplate=hover)
        )
    figure.update_layout(xaxis_title=plain(x_label), yaxis_title=plain(y_label), legend=LEGEND_BELOW)
    figure.update_xaxes(range=[-0.01 * x_end, 1.01 * x_end], zeroline=False)
    figure.update_yaxes(range=[-0.01, 1.01], zeroline=False)
    titled(figure, plain(title))
    return figure.update_layout(margin={"l": 65, "r": 20, "t": 60, "b": 60}, showlegend=True)


def histogram_figure(
    title: str, good: Sequence[float], anomalous: Sequence[float], threshold: float, bounds: tuple[float, float]
) -> Figure:
    """A histogram of the scores of good and of anomalous images, in equal steps over ``bounds``, with the threshold."""
    edges = np.linspace(*bounds, BINS + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    figure = Figure()
    for index, (name, scores) in enumerate({"good": good, "anomalous": anomalous}.items()):
        counts = np.histogram(scores, edges)[0]
        hover = f"{name}: %{{y}} around %{{x:.3g}}{ALONE}"
        figure.add_trace(
            Bar(x=middles, y=counts, width=width, name=name, opacity=0.7, hovertemplate=hover).update(
                marker_color=colour(index)
            )
        )
    words = {"text": f"threshold {threshold:.3g}", "font": {"color": LIGHT.soft}}
    label = words | {"xanchor": "center", "yanchor": "bottom"}
    figure.add_vline(threshold, line={"color": LIGHT.soft, "width": 2, "dash": "dash"}, annotation=label)
    figure.update_layout(barmode="overlay", xaxis_title="Image score", yaxis_title="Images", legend=LEGEND_BELOW)
    titled(figure, plain(title))
    return figure.update_layout(margin={"l": 65, "r": 20, "t": 60, "b": 60})
