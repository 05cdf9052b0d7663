import logging
import math
import random
import re

import optuna
import pytest

from adtrack.errors import UserError
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.plots import MOST_LINES, study_figures, write_figures

NAMES = ["optimisation_history", "parameter_importance", "parallel_coordinates"]


def trial(number: int, objective: float, patch_size: int = 3, layers: str = "layer2", **changes) -> TrialRecord:
    params = {"patch_size": str(patch_size), "layers": layers, "coreset_fraction": "0.1"}
    fields = {"class_name": "zipper", "study": "s", "split_digest": "0" * 64, "params": params} | changes
    return TrialRecord(number=number, run_id=f"{number:032x}", metrics={"objective": objective}, **fields)


def study(count: int = 12) -> list[TrialRecord]:
    """Trials whose objective depends on the patch size, and on nothing else."""
    pick = random.Random(0)
    sizes = [pick.choice((1, 3, 5, 7)) for _ in range(count)]
    layers = ("layer3", "layer1", "layer2+layer3")
    return [trial(n, 0.9 - abs(size - 3) / 10, size, pick.choice(layers)) for n, size in enumerate(sizes)]


def test_history_shows_the_trials_own_numbers_and_the_best_so_far():
    trials = [trial(9, 0.7), trial(2, 0.5), trial(4, 0.6, feasible=False), trial(5, 0.4)]
    figure = study_figures(trials, "Mean <AUROC>")["optimisation_history"]
    points, best, infeasible = figure.data
    assert list(points.x) == [2, 5, 9] and list(points.y) == [0.5, 0.4, 0.7]
    assert list(best.x) == [2, 4, 5, 9] and list(best.y) == [0.5, 0.5, 0.5, 0.7]
    assert list(infeasible.x) == [4] and list(infeasible.y) == [0.6] and infeasible.showlegend
    assert points.text[0] == "Trial 2: patch size 3, layers layer2, coreset fraction 0.1"
    assert figure.layout.yaxis.title.text == "Mean &lt;AUROC&gt;"


@pytest.mark.parametrize("trials", [[trial(0, 1.0)], [trial(0, 1.0), trial(1, 1.0, 5), trial(2, 1 - 1e-9)]], ids=len)
def test_of_equal_values_no_axis_runs_far_beyond_them(trials):
    figures = study_figures(trials)
    low, high = figures["optimisation_history"].layout.yaxis.range
    assert 0.9 <= low < 1 < high <= 1.01
    bars = [trace.marker.showscale for trace in figures["parallel_coordinates"].data if trace.mode == "markers"]
    assert bars and not any(bars)
    wide = study_figures(study())["parallel_coordinates"]
    assert any(trace.marker.showscale for trace in wide.data if trace.mode == "markers")


def test_importance_finds_the_parameter_that_matters():
    bar = study_figures(study())["parameter_importance"].data[0]
    shares = dict(zip(bar.y, bar.x, strict=True))
    assert set(shares) == {"Patch size", "Layers"}  # the coreset fraction never varies
    assert shares["Patch size"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "trials",
    [[trial(0, 0.5)], [trial(0, 0.5), trial(1, 0.6)], [trial(0, 0.5, 1), trial(1, 0.5 + 1e-12, 3)]],
    ids=["one trial", "nothing varies", "objectives differ by rounding"],
)
def test_without_anything_to_explain_there_is_no_importance(trials):
    assert list(study_figures(trials)) == ["optimisation_history", "parallel_coordinates"]


def test_two_trials_are_enough_for_an_importance():
    assert "parameter_importance" in study_figures([trial(0, 0.5, 1), trial(1, 0.50001, 3)])


def test_parallel_coordinates_are_sorted_and_draw_the_best_last():
    figure = study_figures(study())["parallel_coordinates"]
    lines = [trace for trace in figure.data if trace.customdata is not None]
    assert len(lines) == 12
    assert [line.y[0] for line in lines] == sorted(line.y[0] for line in lines)
    ticks = [note.text for note in figure.layout.annotations]
    assert [tick for tick in ticks if "layer" in tick] == ["layer1", "layer2+layer3", "layer3"]
    assert lines[-1].line.color == "rgb(0, 114, 178)"  # the good end of the scale


def test_parallel_coordinates_keep_the_newest_trials_and_say_so():
    trials = [trial(number, number / 1000, 1 + number % 2) for number in range(MOST_LINES + 3)]
    figures = study_figures(trials)
    lines = [trace for trace in figures["parallel_coordinates"].data if trace.customdata is not None]
    assert len(lines) == MOST_LINES
    assert lines[0].customdata[0][1] == "0.003"
    assert f"the newest {MOST_LINES}" in figures["parallel_coordinates"].layout.title.subtitle.text
    assert len(figures["optimisation_history"].data[0].x) == MOST_LINES + 3


def test_trials_without_an_objective_are_counted_and_left_out():
    figures = study_figures([trial(0, 0.5), trial(1, math.nan), trial(2, 0.6)])
    assert list(figures["optimisation_history"].data[0].x) == [0, 2]
    assert (
        "3 trials · 1 without a finite objective left out" in figures["optimisation_history"].layout.title.subtitle.text
    )


def test_without_any_objective_there_are_no_figures(tmp_path):
    assert study_figures([trial(0, math.nan)]) == {}
    assert write_figures({}, "part", tmp_path) == []


def test_a_figure_of_two_studies_is_an_error():
    with pytest.raises(UserError, match="one study, but got those of 2"):
        study_figures([trial(0, 0.5), trial(1, 0.5, split_digest="1" * 64)])


def test_pages_hold_plotly_and_fetch_nothing(tmp_path):
    hostile = "<script src='http://evil'></script></title>"
    trials = [trial(n, n / 5, 1 + 2 * n, hostile, class_name=hostile) for n in range(4)]
    paths = write_figures(study_figures(trials), hostile, tmp_path)
    assert [path.name for path in paths] == [f"{name}.html" for name in NAMES]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert len(text) > 1_000_000 and "Plotly.newPlot" in text
        tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text.split("plotly.js v")[0] + text[-20_000:])
        assert tags and not any("src=" in tag or "href=" in tag for tag in tags)
        assert hostile not in text and "<script src" not in text


def test_the_same_trials_give_the_same_bytes_in_any_order(tmp_path):
    trials = study()
    first, again = (
        [path.read_bytes() for path in write_figures(study_figures(order), "part", tmp_path / name)]
        for name, order in (("a", trials), ("b", trials[::-1]))
    )
    assert first == again


@pytest.mark.filterwarnings("error")
def test_drawing_says_nothing(caplog, monkeypatch):
    logger = logging.getLogger("optuna")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    study_figures([*study(), trial(20, math.nan), trial(21, 0.3, feasible=False)])
    assert caplog.messages == []
    assert optuna.logging.get_verbosity() == logging.INFO
