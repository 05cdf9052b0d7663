"""Pairs of images before and after a shift as one HTML page that asks for no other file."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from adtrack.evaluation.pictures.before_after import Pair, PairRow
from adtrack.reporting.render import html_text, shell

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6573; --ground: #fff; --line: #d9dee5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #9aa5b4; --ground: #14181e; --line: #323a45; }
}
body { margin: 2rem; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
h2 small { color: var(--soft); font-weight: normal; }
p { max-width: 75ch; margin: 0 0 1.5rem; color: var(--soft); }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
.pairs { display: flex; flex-wrap: wrap; gap: 1.2rem 1.8rem; }
figure { margin: 0; width: min-content; min-width: 15rem; }
img { outline: 1px solid var(--line); }
.pictures { display: flex; gap: 6px; }
figcaption { color: var(--soft); font-size: .85rem; margin-top: .3rem; overflow-wrap: anywhere; }
figcaption b { color: var(--ink); font-weight: 600; }
"""


def pairs_page(rows: Sequence[PairRow], title: str, notes: str) -> str:
    """The rows as a page under ``title`` with ``notes``; light or dark as the reader's system is."""
    sections = "".join(
        f"<section>\n<h2>{html_text(row.title)} <small>{html_text(row.share)}</small></h2>\n"
        f'<div class="pairs">\n{"".join(map(_figure, row.pairs))}</div>\n</section>\n'
        for row in rows
    )
    body = f"<h1>{html_text(title)}</h1>\n<p>{html_text(notes)}</p>\n{sections}"
    return shell(title, f"<style>{_STYLE}</style>\n", body)


def _figure(pair: Pair) -> str:
    name = html_text(pair.name)
    return (
        f'<figure>\n<div class="pictures">{_picture(pair.before, f"{name} before")}'
        f"{_picture(pair.after, f'{name} after')}</div>\n"
        f"<figcaption><b>{name}</b> {html_text(pair.words)}</figcaption>\n</figure>\n"
    )


def _picture(picture: np.ndarray, words: str) -> str:
    """An img element; ``words`` are HTML. JPEG, because noise as PNG would make the page several times as large."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="JPEG", quality=88, subsampling=0)
    data = base64.b64encode(stream.getvalue()).decode()
    height, width = picture.shape[:2]
    return f'<img src="data:image/jpeg;base64,{data}" width="{width}" height="{height}" alt="{words}">'
