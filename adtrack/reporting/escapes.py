"""Plain text as HTML, Markdown and LaTeX that show it: whatever the language would obey is escaped."""

import re

from markupsafe import Markup, escape

from adtrack.naming import visible

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


def html_text(text: str) -> Markup:
    """Text as HTML, on one line."""
    return escape(visible(re.sub(r"\s+", " ", text)))


def html_verbatim(text: str) -> Markup:
    """Text as HTML for a ``pre`` element: every space of it counts."""
    return escape(visible(text))


def markdown_text(text: str) -> Markup:
    """Text as Markdown, on one line."""
    # A bracket makes a link only before another bracket or a colon: intervals stay readable in the source.
    return Markup(re.sub(r"([\\`*_<&|~$]|\](?=[\[(:]))", r"\\\1", _line(text)))


def markdown_code(text: str) -> Markup:
    """Text as code in a line of Markdown, whatever backticks are in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    inside = f" {_line(text)} " if len(fence) > 1 else _line(text)
    return Markup(f"{fence}{inside}{fence}")


def latex_text(text: str) -> Markup:
    """Text as LaTeX, on one line."""
    escaped = "".join(_LATEX.get(character, character) for character in _line(text))
    # After \\ and \midrule LaTeX would take [ and * at the start of a row for an argument.
    return Markup(f"{{{escaped}}}" if escaped.startswith(("[", "*")) else escaped)


def _line(text: str) -> str:
    return visible(" ".join(text.split()))
