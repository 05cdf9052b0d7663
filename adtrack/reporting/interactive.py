"""Charts as HTML pages, drawn by Plotly. They are light or dark as the reader's system is."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plotly.colors import hex_to_rgb
from plotly.graph_objects import Figure, Heatmap
from plotly.graph_objects import Scatter as Trace

from adtrack.palette import LIGHT, SHADES, colour, ink_on
from adtrack.reporting.description import Chart, Cloud, Lines, Matrix, Panels, Points, Scatter
from adtrack.reporting.figures import ALONE, AXIS_WIDTH, DASHES, NOTE_WIDTH, TITLE_WIDTH, plain, titled, write_figure
from adtrack.reporting.layout import (
    Range,
    dodged,
    error_bars,
    estimates_range,
    label_sides,
    line_ends,
    log_ticks,
    scatter_ranges,
    wrapped,
)
from adtrack.reporting.table import estimate_text, number_text

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
SIDES = {"right": "middle right", "left": "middle left", "top": "top center", "bottom": "bottom center"}


def write_html(chart: Chart, folder: Path, name: str) -> Path:
    """Writes <name>.html, making the folder."""
    return write_figure(figure_of(chart), folder / f"{name}.html", chart.title, width="1100px", height="620px")


def figure_of(chart: Chart) -> Figure:
    """The chart as a Plotly figure in Plotly's own theme; the page's script puts on the light or the dark one."""
    figure = Figure()
    figure.update_layout(xaxis_title=plain(chart.x_label), yaxis_title=plain(chart.y_label, AXIS_WIDTH))
    DRAW[type(chart.kind)](figure, chart.kind)
    titled(figure, plain(chart.title, TITLE_WIDTH), plain(chart.note, NOTE_WIDTH))
    lines = len(wrapped(chart.title, TITLE_WIDTH)) + len(wrapped(chart.note, NOTE_WIDTH))
    left = 50 + 20 * len(wrapped(chart.y_label, AXIS_WIDTH))
    top = 60 + 22 * (lines + isinstance(chart.kind, Panels))  # whose plots have titles of their own
    return figure.update_layout(margin={"l": left, "b": 70, "t": top}, title_y=0.96)


def _points(figure: Figure, kind: Points) -> None:
    names = [plain(name, 16) for name in kind.categories]
    for index, (name, estimates) in enumerate(kind.series.items()):
        below, above = error_bars(estimates)
        figure.add_trace(
            Trace(
                x=[place + dodged(index, len(kind.series)) for place in range(len(names))],
                y=[one.value for one in estimates],
                error_y={"array": above, "arrayminus": below, "thickness": 2, "width": 5},
                mode="markers",
                marker={"size": 11, "symbol": _symbol(index), "color": colour(index)},
                **_named(name, [estimate_text(one) for one in estimates]),
            )
        )
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, range=[-0.5, len(names) - 0.5])
    figure.update_xaxes(showgrid=False, zeroline=False)
    for place in range(1, len(names)):
        figure.add_vline(place - 0.5, line={"color": LIGHT.soft, "width": 1}, opacity=0.3, layer="below")
    _value_axis(figure, estimates_range(kind))
    figure.update_layout(showlegend=len(kind.series) > 1)


def _panels(figure: Figure, kind: Panels) -> None:
    """The lines are named beside the last plot."""
    y_range, across = estimates_range(*kind.plots.values()), figure.layout.xaxis.title.text
    figure.set_subplots(1, len(kind.plots), subplot_titles=[plain(title, 30) for title in kind.plots])
    figure.update_annotations(font={"weight": "bold"})
    for place, lines in enumerate(kind.plots.values(), start=1):
        _draw_lines(figure, lines, y_range, named=place == len(kind.plots), column=place)
    figure.update_xaxes(title_text=across)


def _lines(figure: Figure, kind: Lines) -> None:
    _draw_lines(figure, kind, estimates_range(kind), named=True)


def _draw_lines(figure: Figure, kind: Lines, y_range: Range, *, named: bool, column: int | None = None) -> None:
    """The lines in the figure's only plot, or in the plot of a ``column``, counted from 1."""
    ends, plot = line_ends(kind, y_range) if named else {}, {} if column is None else {"row": 1, "col": column}
    for index, (name, estimates) in enumerate(kind.series.items()):
        shade = colour(index)
        for side, fill in (("low", None), ("high", "tonexty")):
            edge = [getattr(one, side) for one in estimates]
            band = {"fill": fill, "fillcolor": f"rgba{(*hex_to_rgb(shade), 0.17)}", "line": {"width": 0}}
            figure.add_trace(Trace(x=kind.x, y=edge, mode="lines", hoverinfo="skip", **band), **plot)
        figure.add_trace(
            Trace(
                x=kind.x,
                y=[one.value for one in estimates],
                mode="lines+markers",
                line={"width": 2.5, "color": shade, "dash": DASHES[index // len(SYMBOLS) % len(DASHES)]},
                marker={"size": 9, "symbol": _symbol(index)},
                **_named(name, [estimate_text(one) for one in estimates]),
            ),
            **plot,
        )
        if name in ends and len(ends) > 1:
            place = {"xref": "paper", "yref": "paper", "x": 1.01, "y": ends[name], "xanchor": "left"}
            beside = {"text": plain(name), "font": {"color": shade, "weight": "bold"}, "showarrow": False}
            figure.add_annotation(**place, **beside, yanchor="middle")
    room = 30 + 9 * max(map(len, ends), default=0) if len(ends) > 1 else 40
    figure.update_layout(showlegend=False, margin={"r": room}, hovermode="x unified")
    figure.update_xaxes(zeroline=False)
    if kind.log_x:
        figure.update_xaxes(type="log", tickvals=list(kind.x), ticktext=[f"{x:g}" for x in kind.x])
    _value_axis(figure, y_range, **plot)


def _scatter(figure: Figure, kind: Scatter) -> None:
    x_range, y_range = scatter_ranges(kind)
    if kind.diagonal:
        (low, high), line = x_range, {"color": LIGHT.soft, "width": 1, "dash": "dash"}
        figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, line=line, layer="below")
        figure.update_layout(yaxis={"scaleanchor": "x", "constrain": "domain"}, xaxis={"constrain": "domain"})
    sides = label_sides(kind)
    for index, (name, spots) in enumerate(kind.series.items()):
        figure.add_trace(
            Trace(
                x=[spot.x for spot in spots],
                y=[spot.y for spot in spots],
                mode="markers+text",
                text=[f"\u2009{plain(spot.label)}\u2009" for spot in spots],
                textposition=[SIDES.get(side, side) for side in sides[name]],
                marker={"size": 11, "symbol": _symbol(index), "color": colour(index)},
                **_named(name, [plain(spot.words) or f"{spot.x:.4g}, {spot.y:.4g}" for spot in spots]),
            )
        )
    figure.update_xaxes(range=x_range, zeroline=False)
    if kind.log_x:
        ticks = log_ticks(x_range)
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    figure.update_yaxes(range=y_range, zeroline=False)
    figure.update_layout(showlegend=len(kind.series) > 1)


def _matrix(figure: Figure, kind: Matrix) -> None:
    shades = [(place / (len(SHADES) - 1), shade) for place, shade in enumerate(SHADES)]
    cells = {"zmin": 0, "zmax": 1, "colorscale": shades, "showscale": False, "xgap": 2, "ygap": 2, "hoverinfo": "skip"}
    figure.add_trace(Heatmap(z=kind.values, **cells))
    for row, values in enumerate(kind.values):
        for column, value in enumerate(values):
            font = {"size": 17} | ({} if math.isnan(value) else {"color": ink_on(value)})  # no cell, but the ground
            figure.add_annotation(x=column, y=row, text=number_text(value, 2), font=font, showarrow=False)
    columns, rows = [plain(name, 14) for name in kind.columns], [plain(name, 22) for name in kind.rows]
    figure.update_xaxes(tickvals=list(range(len(columns))), ticktext=columns, showgrid=False, zeroline=False)
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=rows, showgrid=False, zeroline=False)
    figure.update_yaxes(autorange="reversed")


def _cloud(figure: Figure, kind: Cloud) -> None:
    for swarm in kind.swarms:
        index, group = kind.kinds.index(swarm.kind), kind.groups.index(swarm.group)
        faint = {"size": 6, "opacity": 0.5} if group == 0 else {"size": 9}
        symbol = f"{_symbol(index + index // len(SYMBOLS))}{'-open' if group == 1 else ''}"
        figure.add_trace(
            Trace(
                x=[x for x, _ in swarm.points],
                y=[y for _, y in swarm.points],
                mode="markers",
                marker={"symbol": symbol, "color": colour(index), "line": {"width": 1.5 * (group == 1)}, **faint},
                legendgroup=f"{group}",
                legendgrouptitle_text=plain(swarm.group, 30),
                name=plain(swarm.kind, 30),
                customdata=[plain(words) for words in swarm.words],
                hovertemplate=f"%{{customdata}}{ALONE}",
            )
        )
    nothing = {"showgrid": False, "showline": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    figure.update_xaxes(**nothing)
    figure.update_yaxes(**nothing, scaleanchor="x", constrain="domain")
    figure.update_layout(showlegend=True, legend={"groupclick": "toggleitem"}, hovermode="closest")


def _value_axis(figure: Figure, y_range: Range, **plot: int) -> None:
    low, high = y_range
    figure.update_yaxes(range=[low, high], zeroline=False, **plot)
    if low < 0 < high:
        figure.add_hline(0, line={"color": LIGHT.soft, "width": 1}, layer="between", **plot)


def _named(name: str, hovers: list[str]) -> dict[str, object]:
    name = plain(name, 30)
    return {"name": name, "customdata": hovers, "hovertemplate": f"{name}: %{{customdata}}{ALONE}"}


def _symbol(index: int) -> str:
    return SYMBOLS[index % len(SYMBOLS)]


DRAW: dict[type, Callable[[Figure, Any], None]] = {
    Points: _points,
    Lines: _lines,
    Panels: _panels,
    Scatter: _scatter,
    Matrix: _matrix,
    Cloud: _cloud,
}
