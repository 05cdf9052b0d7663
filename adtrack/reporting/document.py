"""Text, tables, figures and pictures as one page that asks for no other file. It is light or dark as the reader's
system is."""

from collections.abc import Sequence
from dataclasses import dataclass

from plotly.offline import get_plotlyjs

from adtrack.reporting.parts import Figures, Part
from adtrack.reporting.templating import render


@dataclass(frozen=True)
class Section:
    """A part of the page under a title; ``note`` is small text below the title."""

    title: str
    parts: Sequence[Part]
    note: str = ""


def document(title: str, sections: Sequence[Section], lead: Sequence[Part] = ()) -> str:
    """The page: its title, the ``lead``, a list of contents where there are several sections, and the sections."""
    parts = [*lead, *(part for section in sections for part in section.parts)]
    scripts = sorted({part.script for part in parts if part.script})
    plotly = get_plotlyjs() if any(isinstance(part, Figures) for part in parts) else ""
    return render("document.html", title=title, sections=sections, lead=lead, scripts=scripts, plotly=plotly)
