"""The README's lines and chart of times: taken from the latest runs, on each kind of processor."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.benchmarks.overview import CONTESTS, PROCESSORS, Comparison, comparisons, draw, speed_lines

FAST, SLOW = "x86_64 AVX512 with fast bytes, 2 cores, 2 threads", "x86_64 AVX2 without fast bytes, 2 cores, 2 threads"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two runs of every contest on a fast machine, one on a slow one; the ratio tells the runs apart."""
    rows = []
    for run, (machine, ratio) in enumerate([(FAST, 5.0), (FAST, 20.0), (SLOW, 0.5)]):
        for contest in CONTESTS.values():
            same = {"benchmark": contest.benchmark, "work": f"{contest.work} and more; run {run}"}
            made = {"date": f"2026-01-0{run + 1}", "machine": machine, "versions": "torch 2"}
            for what, times in (
                ("adtrack; peak 1", 1),
                (f"{contest.other}; peak 9", ratio),
                (f"{contest.other}: part", 3),
            ):
                rows.append(same | {"what": what, "seconds": 2.0 * times + run, "times ours": times} | made)
    path = tmp_path / "benchmarks.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_comparison_is_that_of_the_latest_run_on_each_kind_of_processor(log: Path) -> None:
    found = comparisons(log)
    assert set(found) == set(CONTESTS)
    for one in found.values():
        assert one.seconds == (3.0, 4.0) and one.ratios == (20.0, 0.5)


def test_the_lines_name_seconds_milliseconds_and_ratios() -> None:
    found = {name: Comparison("", (12.34, 0.01234), (56.78, 0.4321)) for name in CONTESTS}
    lines = speed_lines(found)
    assert lines.count("\n- ") == 2 and lines.startswith("- ")
    assert lines.count("12.3 s and 12.3 ms") == 3 and lines.count("56.8 and 0.432 times") == 4


def test_the_chart_has_a_row_for_each_work_and_a_mark_for_each_processor() -> None:
    figure = draw([Comparison("one", (1, 1), (2.0, 0.5)), Comparison("other", (1, 1), (300.0, 12.3))])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "other"]
    assert [marks.get_offsets().tolist() for marks in axes.collections] == [[[2, 0], [300, 1]], [[0.5, 0], [12.3, 1]]]
    assert [text.get_text() for text in axes.texts] == ["0.5", "2", "12", "300"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(PROCESSORS)
