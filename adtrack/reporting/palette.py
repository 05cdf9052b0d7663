"""The colours of charts: told apart by colour-blind readers, on a light and on a dark ground."""

import math

from adtrack.reporting.render import MISSING

# Okabe & Ito, Color Universal Design (2008), without black and yellow, which vanish on one of the grounds.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, SOFT, GRID, GROUND = "#1d2430", "#5b6573", "#d9dee5", "#ffffff"
DARK_INK, DARK_GRID, DARK_GROUND = "#e4e8ee", "#323a45", "#14181e"
SHADES = ("#f1f6fa", "#c3daea", "#7fb2d5", "#2f7fb8", "#084a7c")  # of cells, 0 to 1; in order in grey, too
NO_CELL = "#e1e4e9"


def colour(index: int) -> str:
    """The colour of a series by its place; beyond six, markers and dashes tell series apart."""
    return PALETTE[index % len(PALETTE)]


def cell_text(value: float) -> str:
    """The number in a matrix's cell."""
    return MISSING if math.isnan(value) else f"{value:.2f}"


def cell_ink(value: float) -> str:
    """The colour of that number on the cell's shade."""
    return "#ffffff" if value > 0.6 else INK
