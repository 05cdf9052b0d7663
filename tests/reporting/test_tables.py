import math

import pandas as pd
import pytest

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.table import MISSING, Column, Table, difference_text, estimate_text, number_text
from adtrack.reporting.tables import plain_table, write_report

NAN = math.nan
WORDS = (Column("Class", number=False), Column("Method", number=False))
FRAME = pd.DataFrame({"class": ["zipper", 'a "b", c'], "f1": [1 / 3, NAN]})
TABLE = Table("Regimes", (Column("Class", number=False), Column("F1")), (("zipper", "0.333"),), "Notes.")


def test_a_report_is_four_files_under_its_name(tmp_path):
    paths = write_report("shift_regimes", FRAME, [TABLE, TABLE], tmp_path / "new")
    assert [path.name for path in paths] == [f"shift_regimes.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    assert all(path.parent == tmp_path / "new" for path in paths)
    csv, md, tex, html = (path.read_text(encoding="utf-8") for path in paths)
    assert pd.read_csv(paths[0]).equals(FRAME) and "0.3333333333333333\n" in csv
    assert md.count("## Regimes") == 2 and "| zipper | 0.333 |" in md
    assert r"\label{tab:shift-regimes-1}" in tex and r"\label{tab:shift-regimes-2}" in tex
    assert "<title>Shift regimes</title>" in html
    assert b"\r" not in b"".join(path.read_bytes() for path in paths)


def test_what_is_wider_than_a_terminal_comes_below():
    table = Table("", (*WORDS, Column("image\nAUROC"), Column("F1")), (("zipper", "padim", "0.9", "0.75"),), "")
    whole = "  Class   Method  image AUROC    F1\n  zipper  padim           0.9  0.75"
    assert plain_table(table) == plain_table(table, 36) == whole
    parts = (
        "  Class   Method  image AUROC\n  zipper  padim           0.9",
        "  Class   Method    F1\n  zipper  padim   0.75",
    )
    assert plain_table(table, 30) == plain_table(table, 5) == "\n\n".join(parts)


def test_a_page_may_have_a_title_of_its_own(tmp_path):
    page = write_report("unified", FRAME, [TABLE], tmp_path, title="One model <for> all")[3]
    assert "<title>One model &lt;for&gt; all</title>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.9481, 0.9289, 0.9644), "0.948 [0.929, 0.964]"),
        (Estimate(-0.1, -0.2, 0.0), "−0.100 [−0.200, 0.000]"),
        (Estimate(0.5, NAN, NAN), "0.500"),
        (Estimate(NAN, NAN, NAN), MISSING),
    ],
)
def test_estimates_carry_their_interval(estimate: Estimate, expected: str):
    assert estimate_text(estimate) == expected


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (Estimate(-0.33, -0.3799, -0.281), "−0.330 [−0.380, −0.281]"),
        (Estimate(0.012, -0.003, 0.03), "+0.012 [−0.003, +0.030]"),
        (Estimate(0.0, -0.0004, 0.0004), "0.000 [0.000, 0.000]"),
        (Estimate(0.0005001, -0.0005001, 0.0), "+0.001 [−0.001, 0.000]"),
        (Estimate(0.2, NAN, NAN), "+0.200"),
        (Estimate(NAN, NAN, NAN), MISSING),
    ],
)
def test_differences_carry_their_sign(difference: Estimate, expected: str):
    assert difference_text(difference) == expected


def test_numbers_are_rounded_to_the_decimals_asked_for():
    assert number_text(2 / 3) == "0.667" and number_text(-2 / 3, 1) == "−0.7" and number_text(12.6, 0) == "13"
    assert number_text(-1e-9) == "0.000" and number_text(NAN) == MISSING
    assert estimate_text(Estimate(0.95, 0.9, 1.0), decimals=1) == "0.9 [0.9, 1.0]"
    assert difference_text(Estimate(12.0, 9.51, 14.0), decimals=0) == "+12 [+10, +14]"
