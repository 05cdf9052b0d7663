"""Rows: a line a class and a macro mean, with differences to the reference on the same images."""

import numpy as np
import pytest

from adtrack.evaluation.intervals import difference, interval
from adtrack.evaluation.resampling import Sample
from adtrack.lab.rows import MACRO, Row, compared, frame, lines
from adtrack.lab.tables import lines_table


def sample(scores: list[float], threshold: float = 0.5) -> Sample:
    return Sample(np.array(scores), np.array([0, 0, 0, 1, 1, 1]), threshold)


GOOD = {"a": sample([0.1, 0.2, 0.6, 0.7, 0.8, 0.9]), "b": sample([0.1, 0.2, 0.3, 0.4, 0.8, 0.9])}
WORSE = {"a": sample([0.1, 0.8, 0.6, 0.7, 0.2, 0.9]), "b": sample([0.1, 0.2, 0.5, 0.4, 0.8, 0.9])}
ROWS = [
    Row({"regime": "reference"}, GOOD, None, {"a": {"pixel_auroc": 0.9}, "b": {"pixel_auroc": 0.7}}),
    Row({"regime": "none"}, WORSE, GOOD, {}),
]


def test_lines_are_classes_then_the_macro_mean() -> None:
    found = lines(ROWS, ("image_auroc", "f1"))
    assert [(line.class_name, line.names["regime"]) for line in found] == [
        (name, regime) for name in ("a", "b", MACRO) for regime in ("reference", "none")
    ]
    assert found[0].metrics["image_auroc"].value == 1.0
    assert found[1].metrics["image_auroc"].value == pytest.approx(6 / 9)
    assert found[3].differences["image_auroc"].value == pytest.approx(8 / 9 - 1)
    assert found[4].metrics["image_auroc"] == interval(GOOD, "image_auroc") and found[4].differences == {}
    assert found[5].differences["f1"] == difference(WORSE, GOOD, "f1")
    assert found[4].pixel["pixel_auroc"] == pytest.approx(0.8) and np.isnan(found[1].pixel["pixel_auroc"])


def test_rows_are_compared_with_the_reference_of_their_own_method() -> None:
    rows = [Row({"method": method, "regime": regime}, GOOD) for method in "pq" for regime in ("none", "reference")]
    rows[3] = Row(rows[3].names, WORSE)
    found = compared(rows, "regime", "reference")
    assert [row.reference for row in found] == [GOOD, None, WORSE, None]
    assert [row.names for row in found] == [row.names for row in rows]


def test_one_class_has_no_macro_mean() -> None:
    alone = [Row(row.names, {"a": row.samples["a"]}) for row in ROWS]
    assert [line.class_name for line in lines(alone, ("f1",))] == ["a", "a"]


def test_the_frame_holds_everything_in_full_precision() -> None:
    found = lines(ROWS, ("image_auroc",))
    data = frame(found)
    assert data["image_auroc"].tolist() == [line.metrics["image_auroc"].value for line in found]
    assert data["image_auroc_diff_low"].isna().tolist() == [True, False] * 3
    assert {"class", "regime", "image_auroc_low", "image_auroc_high", "pixel_auroc"} <= set(data.columns)


def test_the_table_is_for_people() -> None:
    found = lines(ROWS, ("image_auroc", "f1"))
    table = lines_table("Title", found, ("image_auroc",), compared=("f1",), pixel=("pixel_auroc",), notes="Notes.")
    headings = [column.heading for column in table.columns]
    assert headings == ["class", "regime", "image AUROC", "F1\ndifference", "pixel AUROC"]
    assert table.rows[0][2].startswith("1.000 [") and table.rows[0][3:] == ("", "0.900")
    assert table.rows[1][3].startswith("−") and table.rows[1][4] == "–"
    assert table.notes.startswith("Notes. Brackets")
