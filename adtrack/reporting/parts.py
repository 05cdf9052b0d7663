"""What a document is made of. Every part names the template that draws it, and the script that it needs, if any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.io import to_html

from adtrack.evaluation.pictures.before_after import Pair
from adtrack.reporting.jpeg import Pixels, jpeg_text
from adtrack.reporting.table import Table

FONT_SIZE = 13  # pixels: figures stand side by side, and are smaller than on a page of their own


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    template: ClassVar[str] = "parts/paragraph.html"
    script: ClassVar[str] = ""
    words: str


@dataclass(frozen=True)
class Command:
    """A line to be typed into a terminal."""

    template: ClassVar[str] = "parts/command.html"
    script: ClassVar[str] = ""
    line: str


@dataclass(frozen=True)
class Links:
    """Links to other pages, each with its words before its address."""

    template: ClassVar[str] = "parts/links.html"
    script: ClassVar[str] = ""
    linked: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class SortableTable:
    """A table that a click on a heading sorts, and its notes."""

    template: ClassVar[str] = "parts/table.html"
    script: ClassVar[str] = "sorting.js"
    table: Table


@dataclass(frozen=True)
class Picture:
    """A picture uint8 (h, w, 3), told in ``words`` to readers who cannot see it."""

    template: ClassVar[str] = "parts/picture.html"
    script: ClassVar[str] = ""
    pixels: Pixels
    words: str

    @property
    def jpeg(self) -> str:
        """The picture as a JPEG in base64."""
        return jpeg_text(self.pixels, quality=88, subsampling=0)

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class PictureRow:
    """Pictures under their captions, side by side where there is room."""

    template: ClassVar[str] = "parts/picture_row.html"
    script: ClassVar[str] = ""
    captioned: Sequence[tuple[str, Picture]]


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures, before and after, side by side where there is room."""

    template: ClassVar[str] = "parts/pairs.html"
    script: ClassVar[str] = ""
    pairs: Sequence[Pair]

    @property
    def figures(self) -> list[tuple[Pair, tuple[Picture, Picture]]]:
        """Each pair with its pictures."""
        return [
            (pair, (Picture(pair.before, f"{pair.name} before"), Picture(pair.after, f"{pair.name} after")))
            for pair in self.pairs
        ]


@dataclass(frozen=True)
class Figures:
    """Plotly figures, side by side where there is room; their names are the ids of their elements."""

    template: ClassVar[str] = "parts/figures.html"
    script: ClassVar[str] = "figures.js"
    named: Mapping[str, Figure]
    height: int = 430  # pixels

    @cached_property
    def divs(self) -> list[Markup]:
        """The figures as elements that a page with Plotly's script draws."""
        return [
            Markup(
                to_html(
                    _smaller(figure),
                    include_plotlyjs=False,
                    full_html=False,
                    div_id=name,
                    default_height=f"{self.height}px",
                    config={"displayModeBar": False, "responsive": True},
                    validate=False,  # it was checked when it was drawn
                )
            )
            for name, figure in self.named.items()
        ]


def _smaller(figure: Figure) -> dict[str, Any]:
    """A figure as plain data, with letters of ``FONT_SIZE``. A copy of the figure itself would take far longer."""
    drawn: dict[str, Any] = figure.to_dict()
    drawn["layout"]["font"] = {**drawn["layout"].get("font", {}), "size": FONT_SIZE}
    return drawn


Part = Paragraph | Command | Links | SortableTable | Picture | PictureRow | Pairs | Figures
