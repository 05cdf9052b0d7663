"""A table of plain text as Markdown, LaTeX and HTML: each function escapes what its language would obey."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adtrack.naming import visible
from adtrack.reporting.scrolling import STYLE, scrolling

MISSING = "–"

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6573; --ground: #fff; --line: #d9dee5; --best: #e8f3ec; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #9aa5b4; --ground: #14181e; --line: #323a45; --best: #1d3527; }
}
body { margin: 2rem; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
section { margin-bottom: 3rem; }
h2 { font-size: 1.2rem; margin: 0 0 .7rem; overflow-wrap: anywhere; }
table { font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-size: .85rem; line-height: 1.3; vertical-align: bottom; }
.number { text-align: right; }
.wide .best td { background: var(--best); font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1.5rem 2rem; margin-top: 1.2rem; }
figure { margin: 0; max-width: 100%; }
.picture { overflow-x: auto; }
figcaption { margin-bottom: .5rem; font-size: .9rem; font-weight: 600; }
img { display: block; border-radius: 5px; }
p { max-width: 75ch; margin: .7rem 0 0; color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
"""

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "→": r"$\to$",
    "σ": r"$\sigma$",
}


@dataclass(frozen=True)
class Column:
    """A column's heading, where ``\\n`` breaks the line, and whether it holds numbers (then it is right-aligned)."""

    heading: str
    number: bool = True


@dataclass(frozen=True)
class Table:
    """Rows of plain text under a title, notes below; ``best`` are the indices of the rows to highlight."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: str
    best: frozenset[int] = frozenset()


def markdown(tables: Sequence[Table]) -> str:
    """The tables as GitHub-flavoured Markdown."""
    return "\n".join(
        "\n".join([f"## {markdown_text(table.title)}", "", markdown_table(table), "", markdown_text(table.notes), ""])
        for table in tables
    )


def markdown_table(table: Table) -> str:
    """The table alone, without title and notes."""
    headings = [markdown_text(column.heading) for column in table.columns]
    rules = ["---:" if column.number else "---" for column in table.columns]
    rows = [[markdown_text(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rules, *rows))


def markdown_text(text: str) -> str:
    """Plain text as Markdown that shows it."""
    # A bracket makes a link only before another bracket or a colon: intervals stay readable in the source.
    return re.sub(r"([\\`*_<&|~$]|\](?=[\[(:]))", r"\\\1", _line(text))


def markdown_code(text: str) -> str:
    """``text`` as code in a line of Markdown, whatever backticks are in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    inside = f" {_line(text)} " if len(fence) > 1 else _line(text)
    return f"{fence}{inside}{fence}"


def latex(tables: Sequence[Table], label: str) -> str:
    """The tables as LaTeX floats, to be read by ``\\input``, labelled ``tab:<label>-1`` and so on.

    They need the packages booktabs and graphicx.
    """
    needs = "% \\usepackage{booktabs,graphicx}; with pdflatex also \\usepackage[T1]{fontenc}\n"
    return "\n".join(
        [needs, *(_latex_table(table, f"{label}-{number}") for number, table in enumerate(tables, start=1))]
    )


def _latex_table(table: Table, label: str) -> str:
    headings = [_latex_heading(column.heading) for column in table.columns]
    rows = [
        [f"\\textbf{{{_latex_text(cell)}}}" if index in table.best else _latex_text(cell) for cell in row]
        for index, row in enumerate(table.rows)
    ]
    lines = [" & ".join(row) + r" \\" for row in (headings, *rows)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\setlength{\tabcolsep}{4pt}",
            f"\\caption{{{_latex_text(table.title)}. {_latex_text(table.notes)}}}",
            f"\\label{{tab:{label}}}",
            r"\resizebox{\textwidth}{!}{%",
            f"\\begin{{tabular}}{{{''.join('r' if column.number else 'l' for column in table.columns)}}}",
            *(r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"),
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _latex_heading(heading: str) -> str:
    return r"\shortstack{" + r"\\".join(_latex_text(line) for line in heading.split("\n")) + "}"


def _latex_text(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in _line(text))
    # After \\ and \midrule LaTeX would take [ and * at the start of a row for an argument.
    return f"{{{escaped}}}" if escaped.startswith(("[", "*")) else escaped


def page(tables: Sequence[Table], title: str, below: str = "") -> str:
    """The tables, and ``below`` them HTML, as one page that asks for no other file; light or dark as the reader's
    system is."""
    sections = "".join(_html_section(table) for table in tables)
    return shell(title, f"<style>{STYLE}{_STYLE}</style>\n", sections + below)


def pictures_section(title: str, pictures: Sequence[tuple[str, str]], notes: str) -> str:
    """A section for ``page``: pictures, each a caption and an img element (HTML), side by side where there is room."""
    figures = "".join(
        f'<figure>\n<figcaption>{html_text(caption)}</figcaption>\n<div class="picture">{image}</div>\n</figure>\n'
        for caption, image in pictures
    )
    return (
        f"<section>\n<h2>{html_text(title)}</h2>\n<p>{html_text(notes)}</p>\n"
        f'<div class="pictures">\n{figures}</div>\n</section>\n'
    )


def shell(title: str, head: str, body: str) -> str:
    """A whole HTML page; ``title`` is plain text, ``head`` and ``body`` are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html_text(title)}</title>\n{head}</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _html_section(table: Table) -> str:
    return (
        f"<section>\n<h2>{html_text(table.title)}</h2>\n{scrolling(table_html(table))}"
        f"<p>{html_text(table.notes)}</p>\n</section>\n"
    )


def table_html(table: Table, *, sortable: bool = False) -> str:
    """The table alone, without title and notes; ``sortable`` makes its headings buttons for a page's script."""
    kinds = [' class="number"' if column.number else "" for column in table.columns]
    headings = ["<br>".join(map(html_text, column.heading.split("\n"))) for column in table.columns]
    if sortable:
        headings = [f"<button>{heading}</button>" for heading in headings]
    head = "".join(f"<th{kind}>{heading}</th>" for kind, heading in zip(kinds, headings, strict=True))
    rows = ""
    for index, row in enumerate(table.rows):
        texts = [_cell_html(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        cells = "".join(f"<td{kind}>{text}</td>" for kind, text in zip(kinds, texts, strict=True))
        kind = ' class="best"' if index in table.best else ""
        rows += f"<tr{kind}>{cells}</tr>\n"
    opening = '<table class="sortable">' if sortable else "<table>"
    return f"{opening}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"


def _cell_html(text: str, column: Column) -> str:
    """A cell's text; its ``[0.914, 1.000]`` a narrow column of numbers may put below the number, but not break."""
    escaped = html_text(text)
    return re.sub(r"\[[^\[\]]*\]", r"<span>\g<0></span>", escaped) if column.number else escaped


def html_text(text: str) -> str:
    """Plain text as HTML that shows it, in one line."""
    return html.escape(_line(text))


def _line(text: str) -> str:
    """``text`` on one line, as a cell must be, all of it visible."""
    return visible(" ".join(text.split()))


def write_text(path: Path, text: str) -> Path:
    """Writes ``text`` as UTF-8 with \\n line ends, making the folder; the same text gives the same bytes anywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
