"""A cloud of images as a page: whoever points at a point sees its image. The page asks for no other file."""

from collections.abc import Sequence
from pathlib import Path

from plotly.offline import get_plotlyjs

from adtrack.reporting.description import Chart
from adtrack.reporting.figures import element
from adtrack.reporting.files import write_text
from adtrack.reporting.interactive import figure_of
from adtrack.reporting.jpeg import Pixels, jpeg_text
from adtrack.reporting.templating import render

SIDE = 96  # pixels of a picture's longer side: with it an image takes about 3 kB of the page


def write_pictured(chart: Chart, pictures: Sequence[Sequence[Pixels]], folder: Path, name: str) -> Path:
    """Writes <name>.html, making the folder. ``chart`` shows a cloud, and ``pictures`` hold a small picture
    uint8 (h, w, 3) of each point of each of its swarms."""
    images = [
        [{"words": words, "jpeg": jpeg_text(pixels, quality=75)} for words, pixels in zip(texts, some, strict=True)]
        for texts, some in zip((swarm.words for swarm in chart.kind.swarms), pictures, strict=True)
    ]
    values = {"title": chart.title, "div": element(figure_of(chart), name, "86vh"), "images": images}
    return write_text(folder / f"{name}.html", render("pictured.html", **values, plotly=get_plotlyjs()))
