"""Plotly figures as pages that ask for no other file."""

from pathlib import Path

from plotly.graph_objects import Figure

from adtrack.reporting.render import shell, write_text


def titled(figure: Figure, title: str, subtitle: str) -> Figure:
    """The figure under a title and a subtitle: HTML, as Plotly takes it for text."""
    text = {"text": title, "subtitle": {"text": subtitle}, "x": 0.02, "xanchor": "left", "y": 0.97, "yanchor": "top"}
    return figure.update_layout(title=text | {"yref": "container"}, margin={"t": 110}, template="plotly_white")


def write_figure(
    figure: Figure, path: Path, title: str, *, head: str = "", script: str | None = None, height: str = "90vh"
) -> Path:
    """Writes the figure with the page's ``title`` (plain text), HTML for its head, and a script to run once drawn."""
    body = figure.to_html(
        include_plotlyjs=True,
        full_html=False,
        div_id=path.stem,  # Plotly's own choice is random: the same figure would give other bytes
        default_height=height,
        config={"displaylogo": False, "responsive": True},
        post_script=script,
    )
    return write_text(path, shell(title, head, body))
