"""Charts: the macro mean of several classes, or the only class; one series a method."""

import numpy as np

from adtrack.evaluation.resampling import Sample
from adtrack.lab.charts import curves_chart, matrix_chart, panels_chart, points_chart, scatter_chart, shown
from adtrack.lab.rows import MACRO, Row, lines
from adtrack.reporting.charts import Spot, write_chart


def rows(*classes: str) -> list[Row]:
    labels = np.array([0, 0, 1, 1])
    return [
        Row(
            {"method": method, "severity": severity},
            {name: Sample(np.array([0.1, 0.2, 0.15 + step, 0.9]), labels, 0.5) for name in classes},
        )
        for method in ("patchcore", "padim")
        for step, severity in enumerate(("0", "0.5", "2"))
    ]


def test_several_classes_are_shown_by_their_macro_mean() -> None:
    found = lines(rows("a", "b"), ("image_auroc",))
    chart = points_chart(found, "image_auroc", "severity", "method", "Title")
    assert {line.class_name for line in shown(found)} == {MACRO} and chart.title == "Title (macro mean over classes)"
    assert chart.kind.categories == ["0", "0.5", "2"] and list(chart.kind.series) == ["patchcore", "padim"]
    assert [estimate.value for estimate in chart.kind.series["padim"]] == [0.75, 1.0, 1.0]


def test_one_class_is_shown_itself() -> None:
    chart = curves_chart(lines(rows("a"), ("f1",)), "f1", "severity", "Title")
    assert chart.title == "Title (a)" and chart.kind.x == [0.0, 0.5, 2.0] and chart.y_label == "F1"


def test_series_are_what_tells_lines_apart() -> None:
    found = lines([Row({"kind": "same", **row.names}, row.samples) for row in rows("a")], ("f1", "recall"))
    chart = panels_chart(found, ("recall", "f1"), "severity", "Title", "Note.")
    assert list(chart.kind.plots) == ["recall", "F1"] and chart.title == "Title (a)" and chart.note == "Note."
    for metric, plot in zip(("recall", "f1"), chart.kind.plots.values(), strict=True):
        assert list(plot.series) == ["patchcore", "padim"] and plot.x == [0.0, 0.5, 2.0]
        assert plot.series["padim"] == [line.metrics[metric] for line in found[3:]]
        assert plot == curves_chart(found, metric, "severity", "").kind


def test_every_kind_can_be_written(tmp_path) -> None:
    found = lines(rows("a"), ("f1",))
    charts = {
        "points": points_chart(found, "f1", "severity", "method", "Points"),
        "curves": curves_chart(found, "f1", "severity", "Curves"),
        "panels": panels_chart(found, ("f1",), "severity", "Panels"),
        "scatter": scatter_chart("Scatter", "x", "y", {"one": [Spot(1.0, 2.0, "spot")]}, diagonal=True),
        "matrix": matrix_chart("Matrix", "x", "y", ("a", "b"), np.array([[0.0, 0.5], [1.0, np.nan]])),
    }
    for name, chart in charts.items():
        assert [file.suffix for file in write_chart(chart, tmp_path, name)] == [".html", ".png"]
