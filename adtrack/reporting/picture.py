"""Charts as PNG pictures, drawn by matplotlib without a window and without pyplot's global state."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.style import context

from adtrack.palette import LIGHT, NO_CELL, SHADES, WHITE, colour, ink_on
from adtrack.reporting.description import Chart, Cloud, Lines, Matrix, Panels, Points, Scatter
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
from adtrack.reporting.table import number_text

DPI = 200
TITLE_HEIGHT, NOTE_HEIGHT = 0.29, 0.2  # inches per line
CHARACTERS = 7.8, 13  # per inch, of title and note
ALONG = 10.5  # characters of the categories along an axis, per inch of the figure
STYLE = {
    "text.parse_math": False,  # a $ in a name is a $
    "font.size": 11,
    "text.color": LIGHT.ink,
    "axes.labelcolor": LIGHT.ink,
    "axes.edgecolor": LIGHT.soft,
    "xtick.color": LIGHT.soft,
    "ytick.color": LIGHT.soft,
    "xtick.labelcolor": LIGHT.ink,
    "ytick.labelcolor": LIGHT.ink,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LIGHT.line,
    "legend.frameon": False,
}
MARKERS, DASHES = "os^DvP", ("-", "--", ":")
SIDES = {
    "right": ((6, 0), "left", "center"),
    "left": ((-6, 0), "right", "center"),
    "top": ((0, 5), "center", "bottom"),
    "bottom": ((0, -5), "center", "top"),
    "top right": ((4, 3), "left", "bottom"),
    "top left": ((-4, 3), "right", "bottom"),
    "bottom right": ((4, -3), "left", "top"),
    "bottom left": ((-4, -3), "right", "top"),
}


def write_png(chart: Chart, folder: Path, name: str) -> Path:
    """Writes <name>.png on a light ground, making the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    with context(STYLE, after_reset=True):  # whatever a user's matplotlibrc says
        figure = figure_of(chart)
        figure.savefig(path, dpi=DPI, metadata={"Software": None})  # the same bytes from every release that draws so
    return path


def figure_of(chart: Chart) -> Figure:
    """The chart as a matplotlib figure, in the style that is in force."""
    width, height = _size(chart)
    title, note = wrapped(chart.title, int(width * CHARACTERS[0])), wrapped(chart.note, int(width * CHARACTERS[1]))
    header = 0.2 + TITLE_HEIGHT * len(title) + NOTE_HEIGHT * (len(note) if chart.note else 0)
    below_header = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, height / (height + header) - 0.02))
    figure = Figure(figsize=(width, height + header), layout=below_header)
    FigureCanvasAgg(figure)
    top, left = 1 - 0.15 / (height + header), 0.15 / width
    figure.text(left, top, "\n".join(title), fontsize=14, fontweight="bold", va="top")
    below = top - TITLE_HEIGHT * len(title) / (height + header)
    figure.text(left, below, "\n".join(note), fontsize=10, color=LIGHT.soft, va="top")
    plots = chart.kind.plots if isinstance(chart.kind, Panels) else {"": chart.kind}
    all_axes = figure.subplots(1, len(plots), squeeze=False, sharey=True)[0]
    for axes in all_axes:
        axes.set_xlabel(chart.x_label, labelpad=8)
    all_axes[0].set_ylabel(chart.y_label, labelpad=8)
    if isinstance(chart.kind, Panels):
        _panels(all_axes, chart.kind)
    else:
        DRAW[type(chart.kind)](all_axes[0], chart.kind)
    return figure


def _size(chart: Chart) -> tuple[float, float]:
    """Inches of the plot: wider and, for a matrix, higher with what it holds."""
    kind = chart.kind
    if isinstance(kind, Points):
        return _width(kind), 4.4
    if isinstance(kind, Matrix):
        return min(max(7.0, 3.0 + 0.85 * len(kind.columns)), 16.0), min(max(3.0, 1.6 + 0.6 * len(kind.rows)), 14.0)
    if isinstance(kind, Panels):
        return min(2.2 + 3.0 * len(kind.plots), 16.0), 4.0
    if isinstance(kind, Cloud):
        return 10.0, 6.6
    return (7.2, 5.6) if isinstance(kind, Scatter) and kind.diagonal else (8.0, 4.4)


def _width(kind: Points) -> float:
    return min(max(8.0, 3.0 + len(kind.categories) * max(0.9, 0.28 * len(kind.series))), 16.0)


def _points(axes: Axes, kind: Points) -> None:
    places = range(len(kind.categories))
    for index, (name, estimates) in enumerate(kind.series.items()):
        axes.errorbar(
            [place + dodged(index, len(kind.series)) for place in places],
            [one.value for one in estimates],
            yerr=error_bars(estimates),
            fmt=_marker(index),
            color=colour(index),
            label=name,
            markersize=7,
            elinewidth=1.8,
            capsize=3.5,
            capthick=1.8,
        )
    room = min(24, int(ALONG * _width(kind)) // len(places))
    axes.set_xticks(places, ["\n".join(wrapped(name, room)) for name in kind.categories])
    axes.set_xlim(-0.5, len(kind.categories) - 0.5)
    axes.tick_params(axis="x", length=0)
    for place in places[1:]:
        axes.axvline(place - 0.5, color=LIGHT.line, linewidth=0.8)
    _value_axis(axes, estimates_range(kind))
    _legend(axes, len(kind.series))


def _panels(all_axes: Sequence[Axes], kind: Panels) -> None:
    """The lines are named beside the last plot."""
    y_range = estimates_range(*kind.plots.values())
    for axes, (title, lines) in zip(all_axes, kind.plots.items(), strict=True):
        axes.set_title("\n".join(wrapped(title, 26)), loc="left", fontsize=12, fontweight="bold")
        _draw_lines(axes, lines, y_range, named=axes is all_axes[-1])


def _lines(axes: Axes, kind: Lines) -> None:
    _draw_lines(axes, kind, estimates_range(kind), named=True)


def _draw_lines(axes: Axes, kind: Lines, y_range: Range, *, named: bool) -> None:
    ends = line_ends(kind, y_range) if named else {}
    for index, (name, estimates) in enumerate(kind.series.items()):
        shade = colour(index)
        low, high = [one.low for one in estimates], [one.high for one in estimates]
        axes.fill_between(kind.x, low, high, color=shade, alpha=0.15, linewidth=0)
        axes.plot(
            kind.x,
            [one.value for one in estimates],
            color=shade,
            marker=_marker(index),
            markersize=6,
            linewidth=2.2,
            linestyle=_dash(index),
        )
        if name in ends and len(ends) > 1:
            axes.annotate(
                name,
                (1, ends[name]),
                xycoords="axes fraction",
                xytext=(6, 0),
                textcoords="offset points",
                color=shade,
                fontweight="bold",
                va="center",
            )
    if kind.log_x:
        axes.set_xscale("log")
        axes.set_xticks(kind.x, [f"{x:g}" for x in kind.x])
        axes.minorticks_off()
    axes.margins(x=0.02)
    axes.grid(axis="x")
    _value_axis(axes, y_range)


def _scatter(axes: Axes, kind: Scatter) -> None:
    x_range, y_range = scatter_ranges(kind)
    if kind.log_x:
        axes.set_xscale("log")
        ticks = log_ticks(x_range)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    axes.set_xlim(*((10**end for end in x_range) if kind.log_x else x_range))
    axes.set_ylim(*y_range)
    axes.grid()
    if kind.diagonal:
        axes.set_aspect("equal")
        axes.plot(x_range, x_range, color=LIGHT.soft, linewidth=1, linestyle="--")
    sides = label_sides(kind)
    for index, (name, spots) in enumerate(kind.series.items()):
        x, y = [spot.x for spot in spots], [spot.y for spot in spots]
        axes.scatter(x, y, s=70, marker=_marker(index), color=colour(index), label=name, zorder=3)
        for spot, side in zip(spots, sides[name], strict=True):
            offset, across, along = SIDES[side]
            axes.annotate(
                spot.label,
                (spot.x, spot.y),
                xytext=offset,
                textcoords="offset points",
                ha=across,
                va=along,
                fontsize=10,
                annotation_clip=True,
            )
    _legend(axes, len(kind.series))


def _matrix(axes: Axes, kind: Matrix) -> None:
    shades = LinearSegmentedColormap.from_list("shades", SHADES).with_extremes(bad=NO_CELL)
    axes.imshow(kind.values, cmap=shades, vmin=0, vmax=1, aspect="auto")
    for row, values in enumerate(kind.values):
        for column, value in enumerate(values):
            axes.text(column, row, number_text(value, 2), color=ink_on(value), ha="center", va="center", fontsize=12)
    axes.set_xticks(range(len(kind.columns)), ["\n".join(wrapped(name, 12)) for name in kind.columns])
    axes.set_yticks(range(len(kind.rows)), ["\n".join(wrapped(name, 22)) for name in kind.rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for edge in range(1, len(kind.columns)):
        axes.axvline(edge - 0.5, color=WHITE, linewidth=2)
    for edge in range(1, len(kind.rows)):
        axes.axhline(edge - 0.5, color=WHITE, linewidth=2)


def _cloud(axes: Axes, kind: Cloud) -> None:
    for swarm in kind.swarms:
        index, group = kind.kinds.index(swarm.kind), kind.groups.index(swarm.group)
        faint = {"s": 14, "alpha": 0.35, "linewidths": 0} if group == 0 else {"s": 34}
        axes.scatter(
            [x for x, _ in swarm.points],
            [y for _, y in swarm.points],
            marker=_marker(index + index // len(MARKERS)),
            facecolors="none" if group == 1 else colour(index),
            edgecolors=colour(index) if group == 1 else "none",
            label=f"{swarm.group}: {swarm.kind}",
            **faint,
        )
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    _legend(axes, len(kind.swarms))


def _value_axis(axes: Axes, y_range: Range) -> None:
    low, high = y_range
    axes.set_ylim(low, high)
    axes.grid(axis="y")
    if low < 0 < high:
        axes.axhline(0, color=LIGHT.soft, linewidth=1)


def _legend(axes: Axes, series: int) -> None:
    """Right of the plot; a single series needs none, since the title says what it is."""
    if series > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), handlelength=1.2, borderaxespad=0)


def _marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def _dash(index: int) -> str:
    return DASHES[index // len(MARKERS) % len(DASHES)]


DRAW: dict[type, Callable[[Axes, Any], None]] = {
    Points: _points,
    Lines: _lines,
    Scatter: _scatter,
    Matrix: _matrix,
    Cloud: _cloud,
}
