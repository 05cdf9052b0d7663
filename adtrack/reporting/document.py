"""One HTML page of text, tables, figures and pictures that asks for no other file; light or dark as the reader's
system is."""

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from adtrack.naming import visible
from adtrack.reporting.palette import DARK_GRID, DARK_GROUND, DARK_INK, GRID, GROUND, INK
from adtrack.reporting.render import Table, html_text, shell, table_html
from adtrack.reporting.scrolling import STYLE, scrolling

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6573; --ground: #fff; --line: #d9dee5; --best: #e8f3ec;
  --panel: #f5f7f9; --link: #0060a0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #9aa5b4; --ground: #14181e; --line: #323a45; --best: #1d3527; --panel: #1c222a;
    --link: #7cc0f0; }
}
body { margin: 0 auto; max-width: 1320px; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
nav { margin: 1rem 0; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
a { color: var(--link); }
p { max-width: 80ch; margin: .4rem 0; overflow-wrap: anywhere; }
p.note { color: var(--soft); font-size: .87rem; }
pre { background: var(--panel); padding: .7rem 1rem; border-radius: 5px; overflow-x: auto; }
table { font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .65rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-size: .82rem; line-height: 1.3; vertical-align: bottom; }
.sortable th, .sortable td { padding: .3rem .45rem; }
.number { text-align: right; }
.wide .best td { background: var(--best); font-weight: 600; }
th button { all: unset; cursor: pointer; }
th button:hover, th button:focus-visible { color: var(--ink); text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 1rem; }
.figures > div { min-width: 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 5px; }
"""

# The first click on a heading sorts numbers from high to low and words from A to Z; what is no number comes last.
_SORTING = """
const number = text => {
  const found = text.replace("−", "-").match(/^[-+]?[0-9.]+(e[-+]?[0-9]+)?/);
  return found ? parseFloat(found[0]) : NaN;
};
const compare = (a, b, numeric, sign) => {
  if (!numeric) return sign * a.localeCompare(b, "en", { numeric: true });
  const [x, y] = [number(a), number(b)];
  return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
};
document.querySelectorAll("table.sortable th").forEach(heading => {
  const numeric = heading.classList.contains("number");
  heading.querySelector("button").addEventListener("click", () => {
    const table = heading.closest("table"), place = [...heading.parentNode.children].indexOf(heading);
    const first = numeric ? "descending" : "ascending", other = numeric ? "ascending" : "descending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    heading.parentNode.querySelectorAll("th").forEach(each => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", order);
    const rows = [...table.tBodies[0].rows], sign = order === "ascending" ? 1 : -1;
    const text = row => row.cells[place].textContent.trim();
    table.tBodies[0].append(...rows.sort((a, b) => compare(text(a), text(b), numeric, sign)));
  });
});
"""

_THEMES = [
    {"ink": INK, "grid": GRID, "ground": GROUND},
    {"ink": DARK_INK, "grid": DARK_GRID, "ground": DARK_GROUND},
]
_PAINTING = f"""
const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = {json.dumps(_THEMES)};
const paint = () => document.querySelectorAll(".plotly-graph-div").forEach(figure => {{
  const theme = themes[Number(dark.matches)], clear = "rgba(0,0,0,0)";
  const change = {{ "font.color": theme.ink, "font.size": 13, paper_bgcolor: clear, plot_bgcolor: clear }};
  Object.keys(figure.layout).filter(key => /^[xy]axis[0-9]*$/.test(key)).forEach(axis => {{
    for (const line of ["gridcolor", "linecolor", "zerolinecolor"]) change[`${{axis}}.${{line}}`] = theme.grid;
  }});
  (figure.layout.annotations || []).forEach((note, place) => {{
    if (note.bgcolor) Object.assign(change, {{
      [`annotations[${{place}}].bgcolor`]: theme.ground, [`annotations[${{place}}].font.color`]: theme.ink
    }});
  }});
  Plotly.relayout(figure, change);
}});
dark.addEventListener("change", paint);
// A figure is drawn before its neighbours are there, as wide as the page.
document.querySelectorAll(".plotly-graph-div").forEach(figure => Plotly.Plots.resize(figure));
paint();
"""


@dataclass(frozen=True)
class Section:
    """A part of the page: ``body`` is HTML, from the functions below; ``title`` and ``note`` are plain text."""

    title: str
    body: str
    note: str = ""


def text(words: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html_text(words)}</p>\n"


def command(line: str) -> str:
    """A line to be typed into a terminal."""
    return f"<pre>{html.escape(visible(line))}</pre>\n"


def sortable(table: Table) -> str:
    """The table with headings that sort it, and its notes."""
    return f'{scrolling(table_html(table, sortable=True))}<p class="note">{html_text(table.notes)}</p>\n'


def figures(named: dict[str, Figure], height: int = 430) -> str:
    """Figures side by side where there is room; the names are their elements' ids."""
    parts = [
        figure.to_html(
            include_plotlyjs=False,
            full_html=False,
            div_id=name,
            default_height=f"{height}px",
            config={"displayModeBar": False, "responsive": True},
        )
        for name, figure in named.items()
    ]
    return '<div class="figures">\n' + "\n".join(f"<div>{part}</div>" for part in parts) + "\n</div>\n"


def picture(pixels: np.ndarray, words: str) -> str:
    """A picture uint8 (h, w, 3), told in ``words`` to whoever cannot see it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=88, subsampling=0)
    data = base64.b64encode(stream.getvalue()).decode()
    height, width = pixels.shape[:2]
    source = f"data:image/jpeg;base64,{data}"
    return f'<img src="{source}" width="{width}" height="{height}" alt="{html_text(words)}">\n'


def document(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page: ``lead`` (HTML) below the title, a list of contents, the sections."""
    links = "".join(f'<a href="#{_anchor(part.title)}">{html_text(part.title)}</a>' for part in sections)
    body = "".join(
        f'<section id="{_anchor(part.title)}">\n<h2>{html_text(part.title)}</h2>\n'
        + (f'<p class="note">{html_text(part.note)}</p>\n' if part.note else "")
        + f"{part.body}</section>\n"
        for part in sections
    )
    head = f"<style>{STYLE}{_STYLE}</style>\n<script>{get_plotlyjs()}</script>\n"
    scripts = f"<script>{_SORTING}</script>\n<script>{_PAINTING}</script>\n"
    return shell(title, head, f"<h1>{html_text(title)}</h1>\n{lead}<nav>{links}</nav>\n{body}{scripts}")


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")
