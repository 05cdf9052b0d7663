"""Templates: all markup is theirs, whatever they are given is text, and none of them lies idle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

import adtrack
from adtrack.reporting.templating import render

PACKAGE = Path(adtrack.__file__).parent
TEMPLATES = PACKAGE / "reporting" / "templates"
TAGS = (
    "a|abbr|article|aside|b|body|br|button|canvas|code|dialog|div|dl|dd|dt|em|figcaption|figure|footer|form|h[1-6]|head|"
    "header|hr|html|i|iframe|img|input|label|li|link|main|meta|nav|ol|option|p|path|pre|rect|script|section|select|small|"
    "span|strong|style|sub|sup|svg|table|tbody|td|text|th|thead|title|tr|ul"
)
MARKUP = re.compile(
    rf"""
    </?({TAGS})(\s[^<>]*)?/?>           # HTML: a tag
    | <!doctype | &[a-z]+; | &\#\w+;   # and what else only HTML has
    | [\w)\]*]\s*\{{\s*[a-z-]+\s*:[^{{}}]*;   # CSS: a rule
    | \b(document|window)\.(body|create|get|query|title) | addEventListener | =>\s*\{{   # JavaScript
    | \\(begin|end|textbf|caption|label|toprule)\{{?   # LaTeX
    | ^\#{{2,6}}\s | ^```   # Markdown
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
# Plotly breaks the lines of its texts at a tag, which ``figures`` names once for all.
NAMED = {("reporting/figures.py", "<br>")}


def strings(source: str) -> Iterator[str]:
    """The string constants of a module, but not its docstrings."""
    tree = ast.parse(source)
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


@pytest.mark.parametrize(
    "text",
    [
        "<div class='x'>",
        "</table>",
        "<b>",
        "&nbsp;",
        "p { color: red; }",
        "() => {",
        "\\begin{table}",
        "## Title",
    ],
)
def test_markup_is_known_where_it_is_seen(text: str) -> None:
    assert MARKUP.search(text)


@pytest.mark.parametrize("text", ["test/<defect>/", "a < b > c", "{name}: {value}", "models:/adtrack-<class>", "#1"])
def test_words_are_no_markup(text: str) -> None:
    assert not MARKUP.search(text)


def test_no_markup_is_in_python_strings() -> None:
    found = [
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in strings(path.read_text(encoding="utf-8"))
        if MARKUP.search(text)
    ]
    assert set(found) <= NAMED


def test_every_template_is_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (*PACKAGE.rglob("*.py"), *TEMPLATES.rglob("*.*"))]
    names = [path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.*")]
    assert [name for name in names if not any(f'"{name}"' in text for text in texts)] == []


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch):
    """Makes templates of these texts, by their names."""

    def put(**texts: str) -> None:
        from adtrack.reporting import templating

        loader = jinja2.DictLoader({name.replace("_", "."): text for name, text in texts.items()})
        for environment in templating._ENVIRONMENTS.values():
            monkeypatch.setattr(environment, "loader", loader)

    return put


def test_values_are_text_in_every_language(template) -> None:
    template(a_html="<p>{{ x }}</p>", b_md="**{{ x }}**", c_tex="\\textbf{<< x >>}")
    assert render("a.html", x="<b>\x1b\n&") == "<p>&lt;b&gt;\\x1b &amp;</p>"
    assert render("b.md", x="*<b>") == "**\\*\\<b>**"
    assert render("c.tex", x="50 % {") == "\\textbf{50 \\% \\{}"
    assert render("a.html", x=Markup("<i>")) == "<p><i></p>"


def test_a_value_that_is_missing_is_an_error_and_no_gap(template) -> None:
    template(a_html="<p>{{ x }}</p>")
    with pytest.raises(jinja2.UndefinedError):
        render("a.html")


def test_data_for_a_script_cannot_end_it(template) -> None:
    template(a_html="<script>{{ x | tojson }}</script>")
    assert render("a.html", x={"b": "</script>", "a": 1}) == '<script>{"b": "\\u003c/script\\u003e", "a": 1}</script>'
