import math

from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.quality import BEHIND, ON_FRONT, pareto_front, shift_chart, size_chart


def trial(number: int, objective: float, size: float, layers: str = "layer2", **metrics: float) -> TrialRecord:
    params = {"patch_size": "3", "layers": layers, "coreset_fraction": "0.1"}
    found = {"objective": objective, "cost/bank_mb": size, **metrics}
    return TrialRecord("zipper", "s", "0" * 64, number, f"{number:032x}", params, found)


# Trial 3 costs more than 1 and is worse; 4 equals 2 but came later.
TRIALS = [trial(1, 0.7, 1.0), trial(2, 0.9, 4.0), trial(3, 0.6, 2.0), trial(4, 0.9, 4.0), trial(5, 0.5, 0.5)]


def test_the_front_holds_what_nothing_beats():
    assert [one.number for one in pareto_front(TRIALS)] == [5, 1, 2]


def test_of_equally_large_banks_only_the_best_is_on_the_front():
    assert [one.number for one in pareto_front([trial(0, 0.5, 1.0), trial(1, 0.6, 1.0)])] == [1]


def test_the_chart_names_the_front_and_keeps_the_rest():
    series = size_chart(TRIALS, "objective").kind.series
    front = [(spot.x, spot.y, spot.label) for spot in series[ON_FRONT]]
    assert front == [(0.5, 0.5, "5"), (1, 0.7, "1"), (4, 0.9, "2")]
    assert [spot.words.partition(":")[0] for spot in series[BEHIND]] == ["trial 3", "trial 4"]


def test_trials_without_an_objective_have_no_place():
    assert size_chart([trial(0, math.nan, 1.0)], "objective") is None
    assert shift_chart(TRIALS, "image_auroc") is None


def test_clean_stands_against_shift_by_layers():
    values = {"val_clean/image_auroc": 0.9, "val_shift/image_auroc": 0.6}
    chart = shift_chart([trial(0, 0.7, 1.0, "layer3", **values), trial(1, 0.7, 1.0, **values)], "image_auroc")
    assert list(chart.kind.series) == ["layer2", "layer3"] and chart.kind.diagonal
    assert (chart.kind.series["layer3"][0].x, chart.kind.series["layer3"][0].y) == (0.9, 0.6)
    assert chart.x_label == "image AUROC on Val-clean"
