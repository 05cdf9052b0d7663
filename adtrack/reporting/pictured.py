"""A cloud of images as a page: whoever points at a point sees its image. The page asks for no other file."""

from collections.abc import Sequence
from pathlib import Path

from plotly.offline import get_plotlyjs

from adtrack.reporting.description import Chart, Cloud
from adtrack.reporting.figures import element
from adtrack.reporting.files import write_text
from adtrack.reporting.interactive import figure_of
from adtrack.reporting.jpeg import Pixels, jpeg_text
from adtrack.reporting.templating import render

SIDE = 96  # pixels of a picture's longer side: with it an image takes about 3 kB of the page


def write_pictured(
    title: str, note: str, cloud: Cloud, pictures: Sequence[Sequence[Pixels]], folder: Path, name: str
) -> Path:
    """Writes <name>.html, making the folder. ``pictures`` hold a small picture uint8 (h, w, 3) of each point of each of
    the cloud's swarms."""
    images = [
        [
            {"words": words, "jpeg": jpeg_text(pixels, quality=75)}
            for words, pixels in zip(swarm.words, some, strict=True)
        ]
        for swarm, some in zip(cloud.swarms, pictures, strict=True)
    ]
    div = element(figure_of(Chart(title, "", "", cloud, note)), name, "86vh")
    page = render("pictured.html", title=title, div=div, images=images, plotly=get_plotlyjs())
    return write_text(folder / f"{name}.html", page)
