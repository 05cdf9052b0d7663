"""Templates filled in: pages in HTML, notes in Markdown, tables in LaTeX.

A template takes what it is given for plain text and escapes it for its own language. Only ``Markup``, which is text in
that language already, goes in as it is.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import PurePath

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adtrack.palette import DARK, LIGHT
from adtrack.reporting.escapes import html_text, html_verbatim, latex_text, markdown_code, markdown_text

_THEMES = {"light": asdict(LIGHT), "dark": asdict(DARK)}


def render(name: str, **values: object) -> str:
    """The template of this name, below ``templates/``, with these values; its suffix tells its language."""
    return _ENVIRONMENTS[PurePath(name).suffix].get_template(name).render(values)


def _environment(escape: Callable[[str], Markup]) -> Environment:
    def escaped(value: object) -> Markup:
        return value if isinstance(value, Markup) else escape(str(value))

    return Environment(
        loader=PackageLoader("adtrack.reporting"),
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _html() -> Environment:
    environment = _environment(html_text)
    environment.globals["themes"] = _THEMES
    environment.policies["json.dumps_kwargs"] = {}  # keys in the order that they are given in
    environment.filters |= {"digest": _digest, "verbatim": html_verbatim, "brackets": _brackets}
    return environment


def _markdown() -> Environment:
    environment = _environment(markdown_text)
    environment.filters["code"] = markdown_code
    return environment


def _latex() -> Environment:
    environment = _environment(latex_text)
    # LaTeX is full of braces: its templates are written with << value >> and <% block %>.
    return environment.overlay(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )


def _digest(text: str) -> str:
    """How a page's policy names a style or a script that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _brackets(text: str) -> list[str]:
    """``0.914 [0.881, 1.000]`` in parts of which every second one is in brackets."""
    return re.split(r"(\[[^\[\]]*\])", text)


_ENVIRONMENTS = {".html": _html(), ".md": _markdown(), ".tex": _latex()}
