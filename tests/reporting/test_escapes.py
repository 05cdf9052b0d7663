import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from adtrack.reporting.files import write_text
from adtrack.reporting.table import Column, Table
from adtrack.reporting.tables import latex, markdown, page

HOSTILE = '<script src="http://evil">x</script> a_b & 50 % #1 {c} $x^2$ \\input{/etc/passwd} ~ | `d` "e"\n[f](g) *'
COLUMNS = (Column("Class", number=False), Column("Val-clean\nAUROC [95 %]"), Column("F1"))
TABLE = Table(
    title=HOSTILE,
    columns=COLUMNS,
    rows=(("[1ex] best", "0.912 [0.881, 0.948]", "–"), ("* second", "−0.5 × 2 ≥ σ", "→ 1"), (HOSTILE, "0.25", "0")),
    notes=HOSTILE,
    best=frozenset({0}),
)


def body_rows(text: str) -> list[str]:
    return text.split(r"\toprule")[1].split(r"\bottomrule")[0].replace("\\midrule\n", "").strip().splitlines()


def test_latex_is_balanced_and_every_row_has_every_cell():
    text = latex([TABLE, TABLE], "best-trials")
    for environment in ("table", "tabular"):
        assert text.count(f"\\begin{{{environment}}}") == text.count(f"\\end{{{environment}}}") == 2
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for row in body_rows(text):
        assert len(re.findall(r"(?<!\\)&", row)) == len(COLUMNS) - 1
        assert row.endswith(r" \\")
    assert re.findall(r"\\label{(.*?)}", text) == ["tab:best-trials-1", "tab:best-trials-2"]


def test_latex_obeys_no_cell():
    text = latex([TABLE], "x")
    assert r"a\_b \& 50 \% \#1 \{c\} \$x\textasciicircum{}2\$ \textbackslash{}input\{/etc/passwd\}" in text
    assert r"\input{" not in text
    heads, best, second, _ = body_rows(text)
    assert heads.startswith(r"\shortstack{Class} & \shortstack{Val-clean\\AUROC [95 \%]}")
    assert best.startswith(r"\textbf{{[1ex] best}}") and r"\textbf{--}" in best
    assert second.startswith("{* second}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path):
    document = (
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}"
        r"\begin{document}\input{tables.tex}\end{document}"
    )
    write_text(tmp_path / "tables.tex", latex([TABLE, TABLE], "x"))
    write_text(tmp_path / "document.tex", document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text by cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_obeys_no_cell_and_fetches_nothing():
    parsed = Page(page([TABLE], HOSTILE))
    names = [tag for tag, _ in parsed.tags]
    assert not set(names) & {"link", "img", "iframe", "a"} and names.count("script") == 1
    assert not any({"src", "href", "onload"} & set(attributes) for _, attributes in parsed.tags)
    assert "@import" not in page([TABLE], "") and "url(" not in page([TABLE], "")
    assert " ".join(HOSTILE.split()) in parsed.text
    assert "a\\x1b[2J\\u202eb" in page([replace(TABLE, rows=(("a\x1b[2J\u202eb",) * len(TABLE.columns),))], "")


def test_html_aligns_numbers_and_marks_the_best_row():
    text = page([TABLE], "Title")
    assert '<tr class="best"><td>[1ex] best</td><td class="number">0.912 <span>[0.881, 0.948]</span></td>' in text
    assert text.count('class="best"') == 1
    assert "Val-clean<br>AUROC [95 %]" in text
    assert text.startswith("<!doctype html>") and "<title>Title</title>" in text


def test_markdown_obeys_no_cell_and_every_row_has_every_cell():
    text = markdown([TABLE])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(TABLE.rows)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(COLUMNS) + 1}
    assert r"\<script" in text and r"a\_b \& 50" in text and r"[f\](g)" in text
    assert not re.search(r"(?<!\\)[<`$]", text)
    assert "0.912 [0.881, 0.948]" in text
    assert rows[1] == "| --- | ---: | ---: |"


def test_written_files_have_unix_line_ends_and_utf8(tmp_path):
    path = write_text(tmp_path / "new" / "folder" / "table.md", "–\n")
    assert path.read_bytes() == "–\n".encode()
