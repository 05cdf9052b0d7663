"""Scores as a picture: a strip of dots for each group of images, and lines where thresholds lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context

from adtrack.naming import visible
from adtrack.palette import LIGHT, colour
from adtrack.reporting.layout import wrapped
from adtrack.reporting.picture import CHARACTERS, DPI, NOTE_HEIGHT, STYLE, TITLE_HEIGHT

_WIDTH, _STRIP = 8.0, 0.75  # inches
_BINS, _PILE = 60, 0.38  # dots of about the same score lie above each other, up to this share of a strip
_LINES = ("--", "-", ":")


def write_strips(
    path: Path, title: str, note: str, strips: Mapping[str, Sequence[float]], thresholds: Mapping[str, float]
) -> Path:
    """Write a PNG with a strip for each group of scores, the first on top, and a line for each threshold."""
    names = [visible(name) for name in strips]
    said = [*wrapped(title, int(_WIDTH * CHARACTERS[0])), *wrapped(note, int(_WIDTH * CHARACTERS[1]))]
    titles = len(wrapped(title, int(_WIDTH * CHARACTERS[0])))
    header = 0.25 + TITLE_HEIGHT * titles + NOTE_HEIGHT * (len(said) - titles)
    height = header + _STRIP * len(strips) + 0.9
    with context(STYLE, after_reset=True):  # whatever a user's matplotlibrc says
        figure = Figure(figsize=(_WIDTH, height))
        FigureCanvasAgg(figure)
        top = 1 - 0.12 / height
        figure.text(0.02, top, "\n".join(said[:titles]), fontsize=14, fontweight="bold", va="top")
        below = top - TITLE_HEIGHT * titles / height
        figure.text(0.02, below, "\n".join(said[titles:]), fontsize=10, color=LIGHT.soft, va="top")
        axes = figure.add_axes((0.22, 0.6 / height, 0.74, (_STRIP * len(strips) + 0.2) / height))
        _draw(axes, names, [np.asarray(scores, dtype=np.float64) for scores in strips.values()], thresholds)
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


def _draw(axes: Axes, names: Sequence[str], strips: Sequence[np.ndarray], thresholds: Mapping[str, float]) -> None:
    everything = np.concatenate([*strips, list(thresholds.values())])
    room = 0.04 * (np.ptp(everything) or 1.0)
    axes.set_xlim(everything.min() - room, everything.max() + room)
    edges = np.linspace(*axes.get_xlim(), _BINS + 1)
    for row, scores in enumerate(strips):
        ascending = np.sort(scores)
        axes.scatter(ascending, -row + _heights(ascending, edges), s=16, color=colour(row), alpha=0.7, linewidths=0)
        axes.plot([np.median(scores)] * 2, [-row - 0.3, -row - 0.08], color=colour(row), linewidth=2.5)
    for (name, value), line in zip(thresholds.items(), _LINES, strict=False):
        axes.axvline(value, color=LIGHT.alarm, linestyle=line, linewidth=1.8, label=f"{name} {value:.4g}")
    axes.set_yticks([-row for row in range(len(names))], ["\n".join(wrapped(name, 18)) for name in names])
    axes.set_ylim(-len(names) + 0.5, 0.75)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("score")
    axes.legend(loc="upper right", fontsize=9, frameon=True, framealpha=0.9, edgecolor=LIGHT.line)


def _heights(ascending: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How high each dot lies: those of one bin are piled up, and the highest pile has the full height."""
    bins = np.digitize(ascending, edges)
    place = np.arange(len(ascending)) - np.searchsorted(bins, bins)
    highest = max(int(place.max()), 6)
    heights: np.ndarray = place * (_PILE / highest)
    return heights
