"""Plotly figures: the looks that they have in common, and pages of a single one that ask for no other file."""

from pathlib import Path

from markupsafe import Markup, escape
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from adtrack.naming import visible
from adtrack.reporting.files import write_text
from adtrack.reporting.layout import wrapped
from adtrack.reporting.templating import render

TITLE_WIDTH, NOTE_WIDTH, AXIS_WIDTH = 68, 110, 30  # characters
FONT = {"family": "system-ui, sans-serif", "size": 15}
DASHES = ("solid", "dash", "dot")
ALONE = "<extra></extra>"  # ends a hover text beside which Plotly shall not repeat the name of the series
BREAK = "<br>"  # between two lines of a text


def plain(text: str, width: int = 90) -> str:
    """Plain text as Plotly takes it for text, which has a little HTML in it, in lines of ``width`` characters."""
    return BREAK.join(escape(visible(line)) for line in wrapped(text, width))


def titled(figure: Figure, title: str, subtitle: str = "") -> Figure:
    """The figure under a title and a subtitle, both of them from ``plain``."""
    below = {"text": subtitle, "font": {"weight": "normal"}}
    text = {"text": title, "font": {"weight": "bold"}, "subtitle": below}
    place = {"x": 0.02, "xanchor": "left", "y": 0.97, "yanchor": "top", "yref": "container"}
    return figure.update_layout(title=text | place, margin={"t": 110}, template="plotly_white", font=FONT)


def write_figure(figure: Figure, path: Path, title: str, *, width: str = "100%", height: str = "90vh") -> Path:
    """Writes the figure as a page with this ``title`` (plain text), as large as ``width`` and ``height`` say in CSS."""
    values = {"title": title, "div": element(figure, path.stem, height), "width": width, "plotly": get_plotlyjs()}
    return write_text(path, render("figure.html", **values))


def element(figure: Figure, name: str, height: str) -> Markup:
    """The figure as an element of this id, which a page with Plotly's script draws."""
    return Markup(
        figure.to_html(
            include_plotlyjs=False,
            full_html=False,
            div_id=name,  # Plotly's own choice is random: the same figure would give other bytes
            default_height=height,
            config={"displaylogo": False, "responsive": True},
        )
    )
