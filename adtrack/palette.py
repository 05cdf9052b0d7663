"""The colours of all that adtrack draws: pages, charts and pictures take them from here.

Readers who are colour-blind can tell the colours of series apart, on a light and on a dark ground.
"""

from dataclasses import dataclass

# From "Color Universal Design" (M. Okabe, K. Ito, 2008).
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, YELLOW = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    "#F0E442",
)
SERIES = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY)  # yellow is lost on a light ground
SHADES = ("#f1f6fa", "#c3daea", "#7fb2d5", "#2f7fb8", "#084a7c")  # of a matrix's cells, from 0 to 1
NO_CELL = "#e1e4e9"  # the shade of a cell without a number
WHITE = "#ffffff"
GREY = "#aaaaaa"


@dataclass(frozen=True)
class Theme:
    """The colours of a page and of the charts on it. Each becomes a CSS variable of the same name."""

    ground: str  # behind everything
    panel: str  # behind buttons, commands and images
    best: str  # behind the best row of a table
    ink: str  # words
    soft: str  # words of less weight
    line: str  # lines between rows, and the grid of a chart
    shadow: str  # at the edge of a table that goes on
    link: str
    good: str  # the mark of an image that is called good
    anomalous: str  # the mark of an image that is called anomalous
    alarm: str  # the word "anomalous"


LIGHT = Theme(
    ground=WHITE,
    panel="#f5f7f9",
    best="#e8f3ec",
    ink="#1d2430",
    soft="#5b6573",
    line="#d9dee5",
    shadow="#1d243040",
    link="#0060a0",
    good=BLUE,
    anomalous=VERMILION,
    alarm="#a84300",
)
DARK = Theme(
    ground="#14181e",
    panel="#1c222a",
    best="#1d3527",
    ink="#e4e8ee",
    soft="#9aa5b4",
    line="#323a45",
    shadow="#000000cc",
    link="#7cc0f0",
    good=SKY,
    anomalous="#f08a3c",
    alarm="#f4a566",
)


def colour(index: int) -> str:
    """The colour of the series at this place. Beyond the sixth, markers and dashes tell series apart."""
    return SERIES[index % len(SERIES)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a hexadecimal colour, from 0 to 255, as they stand in a picture."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def ink_on(value: float) -> str:
    """The colour of words on the shade of a matrix's cell that holds ``value``, from 0 to 1."""
    return WHITE if value > 0.71 else LIGHT.ink
