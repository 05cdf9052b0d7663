import re

import numpy as np
from plotly.graph_objects import Figure, Scatter

from adtrack.reporting.curves import curves_figure, histogram_figure
from adtrack.reporting.document import Section, document
from adtrack.reporting.parts import Command, Figures, Paragraph, Picture, SortableTable
from adtrack.reporting.table import Column, Table

TABLE = Table("T", (Column("Trial"), Column("Layers", number=False)), (("1", "<b>"), ("2", "x")), "Notes & more")


def page() -> str:
    parts = [
        Section("A & B", [SortableTable(TABLE)], "A note <i>"),
        Section("Figures", [Figures({"one": Figure(Scatter(y=[1, 2])), "two": Figure(Scatter(y=[2, 1]))})]),
        Section("Pictures", [Picture(np.zeros((4, 6, 3), dtype=np.uint8), 'six "by" four')]),
    ]
    return document("Study <x>", parts, [Paragraph("1 < 2"), Command("adtrack score 'a  &\tb'")])


def test_all_text_is_escaped():
    found = page()
    for wanted in ("Study &lt;x&gt;", "1 &lt; 2", "a  &amp;\\tb", "&lt;b&gt;", "Notes &amp; more", "A note &lt;i&gt;"):
        assert wanted in found
    assert 'alt="six &#34;by&#34; four"' in found and "<b>" not in found.split("</script>")[-1]


def test_plotly_is_there_once_and_nothing_is_asked_of_a_network():
    found = page()
    assert found.count("plotly.js v") == 1
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"'](?!data:)", found)


def test_contents_link_to_the_sections():
    found = page()
    for anchor in re.findall(r'href="#([^"]+)"', found):
        assert f'<section id="{anchor}">' in found
    assert found.count("<section") == 3


def test_the_same_content_gives_the_same_bytes():
    assert page() == page()


def test_histograms_count_every_score_and_mark_the_threshold():
    figure = histogram_figure("Val-clean", [0.0, 0.1, 0.1], [1.0], 0.5, (0.0, 1.0))
    assert [sum(trace.y) for trace in figure.data] == [3, 1]
    assert figure.layout.shapes[0].x0 == 0.5 and figure.layout.annotations[0].text == "threshold 0.5"


def test_curves_keep_their_points_and_names_are_text():
    figure = curves_figure("ROC", "FPR", "Recall", {"<b>Val": ([0.0, 0.3], [0.2, 1.0])}, x_end=0.3)
    assert list(figure.data[0].y) == [0.2, 1.0] and figure.data[0].name == "&lt;b&gt;Val"
    assert figure.layout.xaxis.range[1] < 0.31
