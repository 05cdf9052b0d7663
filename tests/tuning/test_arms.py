"""The curves of quality against model size."""

import pytest

from adtrack.tracking.trials import TrialRecord
from adtrack.tuning import arms
from adtrack.tuning.arms import arms_figure


def trial(number: int, layers: str, fraction: str, value: float, rows: int, aim: str = "") -> TrialRecord:
    params = {"method": "patchcore", "layers": layers, "patch_size": "3", "coreset_fraction": fraction}
    metrics = {"objective": value, "cost/bank_rows": float(rows), "cost/bank_mb": rows / 1000}
    return TrialRecord("part", "s", "0" * 64, number, f"run{number}", params, metrics, aim=aim)


CURVES = {"run0": {10: 0.7, 100: 0.8}, "run1": {10: 0.6}, "run2": {10: 0.7}}


@pytest.fixture(autouse=True)
def curves(monkeypatch):
    monkeypatch.setattr(arms, "metric_curve", lambda run, key: CURVES.get(run, {}))


def test_trials_of_one_arm_make_one_curve():
    trials = [
        trial(0, "layer2", "0.1", 0.8, 100),
        trial(1, "layer3", "0.01", 0.6, 10, aim="0.25"),
        trial(2, "layer2", "0.25", 0.9, 250),
    ]
    assert arms.arms(trials) == {
        "patch size 3, layers layer2": {10: 0.7, 100: 0.8, 250: 0.9},
        "patch size 3, layers layer3": {10: 0.6},
    }
    figure = arms_figure(trials, "mean", "patches")
    assert [[*trace.x] for trace in figure.data] == [[10, 100, 250], [10]]
    assert figure.layout.xaxis.type == "log" and all(trace.showlegend for trace in figure.data)


def test_arms_of_other_than_the_best_trials_are_grey_and_share_an_entry():
    trials = [trial(place, f"layer{place}", "0.1", 1 - place / 100, 100 + place) for place in range(10)]
    figure = arms_figure(trials, "mean", "patches")
    grey = [trace for trace in figure.data if trace.name == "other arms"]
    assert len(figure.data) == 10 and len(grey) == 4 and [trace.showlegend for trace in grey] == [True, *[False] * 3]


def test_where_every_arm_has_one_size_there_is_no_figure():
    assert arms_figure([trial(3, "layer2", "0.1", 0.8, 100)], "mean", "patches") is None
