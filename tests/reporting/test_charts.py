"""Every kind of chart as files; then each way of drawing for itself."""

import math
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting import interactive, picture
from adtrack.reporting.charts import Chart, Cloud, Lines, Matrix, Panels, Points, Scatter, Spot, Swarm, write_chart

NAN = math.nan
HOSTILE = "<script src='http://evil'></script> $\\frac$ </title>"
A = [Estimate(0.9, 0.85, 0.93), Estimate(0.6, 0.5, 0.7), Estimate(NAN, NAN, NAN)]
B = [Estimate(0.8, 0.75, 0.83), Estimate(0.5, NAN, NAN), Estimate(0.7, 0.6, 0.8)]
SPOTS = {"a": [Spot(1, 0.9, "x"), Spot(20, 0.95, "y")], "b": [Spot(300, 0.99, HOSTILE)]}
LINES = [Lines([0, 1, 2], {"a": one, HOSTILE: other}) for one, other in ((A, B), (B, A))]
CLOUD = (("Train", "good"), ("Val", "good"), ("Val", HOSTILE), ("Test", "good"), ("Test", HOSTILE))
KINDS = {
    "points": Points(["none", HOSTILE, "full"], {"a": A, HOSTILE: B}),
    "lines": LINES[0],
    "panels": Panels({"AUROC": LINES[0], HOSTILE: LINES[1]}),
    "scatter": Scatter(SPOTS, log_x=True),
    "diagonal": Scatter(SPOTS, diagonal=True),
    "matrix": Matrix(["a", HOSTILE], ["a", "b", "c"], [[0.0, 1.0, NAN], [0.25, 0.5, 0.75]]),
    "cloud": Cloud([Swarm(group, kind, [(0, 1), (2, 3)], ["x", HOSTILE]) for group, kind in CLOUD]),
}


def chart(kind: str, note: str = "Of 3 classes.") -> Chart:
    return Chart("F1 under shift", "Regime", "F1", KINDS[kind], note)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_is_a_page_that_fetches_nothing_and_a_picture(kind: str, tmp_path):
    page, png = write_chart(chart(kind), tmp_path / "new", "name")
    assert [page, png] == [tmp_path / "new" / "name.html", tmp_path / "new" / "name.png"]
    text = page.read_text(encoding="utf-8")
    assert "<title>F1 under shift</title>" in text and len(text) > 1_000_000
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text.split("plotly.js v")[0] + text[-20_000:])
    assert tags and not any("src=" in tag or "href=" in tag for tag in tags)
    assert HOSTILE not in text
    with Image.open(png) as image:
        assert 1200 <= image.width <= 3300 and 700 <= image.height <= 3300
        assert len(np.unique(np.asarray(image.convert("L")))) > 20


@pytest.mark.parametrize("kind", ["points", "lines"])
def test_the_same_chart_gives_the_same_bytes(kind: str, tmp_path):
    first, again = ([path.read_bytes() for path in write_chart(chart(kind), tmp_path / run, kind)] for run in "ab")
    assert first == again


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "kind",
    [
        Points(["none"], {"a": [Estimate(NAN, NAN, NAN)]}),
        Lines([1.0], {"a": [Estimate(0.5, 0.5, 0.5)]}),
        Lines([1, 610], {"a": [Estimate(0.5, 0.4, 0.6), Estimate(0.7, NAN, NAN)]}, log_x=True),
        Scatter({}),
        Cloud([]),
        Scatter({"a": [Spot(7.0, 0.5)]}, log_x=True),
        Matrix(["a"], ["a"], np.array([[NAN]])),
        Points(["none"], {f"series {index}": [Estimate(np.float64(0.5), 0.4, 0.6)] for index in range(15)}),
    ],
    ids=["undefined", "one x", "log", "nothing", "no cloud", "one spot", "one cell", "many"],
)
def test_little_and_much_can_be_drawn_too(kind, tmp_path):
    for path in write_chart(Chart("Title", "x", "y", kind), tmp_path, "chart"):
        assert path.stat().st_size > 1000


def test_drawing_leaves_matplotlib_as_it_was_and_opens_no_window(tmp_path):
    code = (
        "import sys, matplotlib; from pathlib import Path; from adtrack.reporting.charts import *\n"
        "names = ('font.size', 'text.parse_math', 'text.color')\n"
        "before = [matplotlib.rcParams[name] for name in names]\n"
        "write_chart(Chart('t', 'x', 'y', Matrix(['a'], ['a'], [[0.5]])), Path('.'), 'm')\n"
        "assert [matplotlib.rcParams[name] for name in names] == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=tmp_path)


def test_a_users_own_matplotlib_style_changes_no_byte(tmp_path):
    plain = write_chart(chart("points"), tmp_path / "a", "c")[1].read_bytes()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "lines.linewidth": 9, "savefig.dpi": 30}):
        assert write_chart(chart("points"), tmp_path / "b", "c")[1].read_bytes() == plain


def test_the_page_shows_points_with_their_intervals():
    first, second = interactive.figure_of(chart("points")).data
    assert list(first.y[:2]) == [0.9, 0.6] and math.isnan(first.y[2])
    assert list(first.error_y.arrayminus) == pytest.approx([0.05, 0.1, 0.0])
    assert list(second.error_y.array) == pytest.approx([0.03, 0.0, 0.1])
    assert first.customdata[0] == "0.900 [0.850, 0.930]" and second.customdata[1] == "0.500"
    assert first.marker.color != second.marker.color and first.marker.symbol != second.marker.symbol
    assert all(left < right for left, right in zip(first.x, second.x, strict=True))


def test_the_page_shows_lines_with_bands_and_their_names():
    figure = interactive.figure_of(chart("lines"))
    low, high, line = figure.data[:3]
    assert list(low.y[:2]) == [0.85, 0.5] and list(high.y[:2]) == [0.93, 0.7] and high.fill == "tonexty"
    assert list(line.y[:2]) == [0.9, 0.6]
    assert figure.layout.annotations[0].text == "a" and "&lt;script" in figure.layout.annotations[1].text


def test_a_logarithmic_axis_of_lines_has_a_tick_at_each_x():
    lines = Lines([1, 5, 610], {"a": A, "b": B}, log_x=True)
    for kind in (lines, Panels({"AUROC": lines, "F1": lines})):
        page, drawn = (way.figure_of(Chart("t", "images", "", kind)) for way in (interactive, picture))
        for axis in page.select_xaxes():
            assert (axis.type, list(axis.tickvals), list(axis.ticktext)) == ("log", [1, 5, 610], ["1", "5", "610"])
        for axes in drawn.axes:
            assert axes.get_xscale() == "log"
            assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "5", "610"]


def test_a_clouds_kinds_have_colours_and_shapes_and_its_groups_are_faint_outlined_and_filled():
    page, drawn = interactive.figure_of(chart("cloud")), picture.figure_of(chart("cloud"))
    marks = [(one.marker.symbol, one.marker.color, one.marker.opacity) for one in page.data]
    (first, blue, faint), outline, other, filled, last = marks
    assert faint < 1 and outline == (f"{first}-open", blue, None) and filled == (first, blue, None)
    assert other[0] == f"{last[0]}-open" and other[1] == last[1] != blue and last[0] != first
    assert [one.legendgrouptitle.text for one in page.data] == [group for group, _ in CLOUD]
    assert page.data[4].customdata[1].startswith("&lt;script")
    (axes,) = drawn.axes
    assert [group.get_label() for group in axes.collections] == [f"{group}: {kind}" for group, kind in CLOUD]
    assert [len(group.get_facecolors()) for group in axes.collections] == [1, 0, 0, 1, 1]
    assert not axes.get_xticks().size and axes.get_aspect() == 1
    many = Cloud([Swarm("Train", f"kind {number}", [(number, 0)], [""]) for number in range(12)])
    looks = {(one.marker.symbol, one.marker.color) for one in interactive.figure_of(Chart("t", "", "", many)).data}
    assert len(looks) == 12


def test_panels_have_one_axis_and_name_their_lines_once():
    page, drawn = interactive.figure_of(chart("panels")), picture.figure_of(chart("panels"))
    first, last = drawn.axes
    assert first.get_ylim() == last.get_ylim() and list(page.layout.yaxis.range) == list(page.layout.yaxis2.range)
    assert first.get_title(loc="left") == "AUROC" and not first.texts
    assert [text.get_text() for text in last.texts] == ["a", HOSTILE]
    assert [axes.lines[0].get_ydata()[0] for axes in drawn.axes] == [0.9, 0.8]
    assert [one.y[0] for one in page.data if one.mode == "lines+markers"] == [0.9, 0.8, 0.8, 0.9]
    assert [one.xaxis for one in page.data[2::3]] == ["x", "x", "x2", "x2"]
    assert [note.text for note in page.layout.annotations][::2] == ["AUROC", "a"]
    assert page.layout.xaxis.title.text == page.layout.xaxis2.title.text == "Regime"


def test_the_page_shows_spots_and_cells():
    log = interactive.figure_of(chart("scatter"))
    assert log.layout.xaxis.type == "log" and "100" in log.layout.xaxis.ticktext
    equal = interactive.figure_of(chart("diagonal"))
    assert equal.layout.xaxis.range == equal.layout.yaxis.range and len(equal.layout.shapes) == 1
    cells = interactive.figure_of(chart("matrix"))
    assert [note.text for note in cells.layout.annotations] == ["0.00", "1.00", "–", "0.25", "0.50", "0.75"]
    assert list(cells.data[0].z[1]) == [0.25, 0.5, 0.75]


def test_the_picture_shows_points_where_they_are():
    axes = picture.figure_of(chart("points")).axes[0]
    first, second = axes.containers
    assert list(first.lines[0].get_ydata()[:2]) == [0.9, 0.6]
    bars = second.lines[2][0].get_segments()
    assert [[end[1] for end in bar] for bar in bars] == [
        pytest.approx(ends) for ends in ([0.75, 0.83], [0.5] * 2, [0.6, 0.8])
    ]
    assert axes.get_xticklabels()[0].get_text() == "none"
    assert axes.get_legend().get_texts()[0].get_text() == "a"


def test_the_picture_shows_lines_spots_and_cells():
    lines = picture.figure_of(chart("lines")).axes[0]
    assert list(lines.lines[0].get_ydata()[:2]) == [0.9, 0.6] and lines.texts[0].get_text() == "a"
    equal = picture.figure_of(chart("diagonal")).axes[0]
    assert equal.get_xlim() == equal.get_ylim() and equal.get_aspect() == 1
    assert picture.figure_of(chart("scatter")).axes[0].get_xscale() == "log"
    cells = picture.figure_of(chart("matrix")).axes[0]
    assert [text.get_text() for text in cells.texts] == ["0.00", "1.00", "–", "0.25", "0.50", "0.75"]


def test_zero_has_a_line_where_numbers_lie_on_both_sides():
    both = Chart("Difference", "x", "y", Points(["a"], {"s": [Estimate(0.1, -0.1, 0.3)]}))
    above = Chart("Difference", "x", "y", Points(["a"], {"s": [Estimate(0.5, 0.4, 0.6)]}))
    lines = [figure.layout.shapes for figure in map(interactive.figure_of, (both, above))]
    assert [line.y0 for line in lines[0]] == [0] and not lines[1]
    assert len(picture.figure_of(both).axes[0].lines) == len(picture.figure_of(above).axes[0].lines) + 1
