"""The order of a study's trials, and what decides between equals."""

import itertools
import math

import pytest

from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.quality import pareto_front
from adtrack.tuning.ranking import ranked, tie_in_words


def record(
    number: int, objective: float = 0.5, bank_mb: float = 1.0, feasible: bool = True, **val: float
) -> TrialRecord:
    """A trial with the metrics of ``val`` on both Val sets, 0.1 more on Val-clean than on Val-shift."""
    metrics = {"objective": objective, "cost/bank_mb": bank_mb}
    metrics |= {f"val_clean/{name}": value + 0.05 for name, value in val.items()}
    metrics |= {f"val_shift/{name}": value - 0.05 for name, value in val.items()}
    return TrialRecord("part", "part-1", "digest", number, f"run{number}", {}, metrics, feasible)


def test_ranked_from_best_to_worst_in_any_order():
    expected = [
        record(7, 0.9, 5.0),
        record(5, 0.8, 1.0),  # the smaller model
        record(2, 0.8, 2.0),  # the earlier trial
        record(6, 0.8, 2.0),
        record(0, 0.99, 9.0, feasible=False),
        record(1, math.nan),
    ]
    for order in itertools.permutations(expected):
        assert ranked(order) == expected


def test_infinite_objectives_are_ranked_too():
    assert [trial.number for trial in ranked([record(0, -math.inf), record(1, 0.1), record(2, math.nan)])] == [1, 0, 2]


def test_equals_are_told_apart_by_what_else_val_says():
    expected = [
        record(9, 1.0, 9.0, pixel_aupro_030=0.9, pixel_auroc=0.5, image_auprc=0.5),  # localises best: size is no matter
        record(8, 1.0, 8.0, pixel_aupro_030=0.8, pixel_auroc=0.9, image_auprc=0.5),
        record(7, 1.0, 7.0, pixel_aupro_030=0.8, pixel_auroc=0.8, image_auprc=0.9),
        record(6, 1.0, 6.0, pixel_aupro_030=0.8, pixel_auroc=0.8, image_auprc=0.8, image_auroc=0.9),
        record(5, 1.0, 4.0, pixel_aupro_030=0.8, pixel_auroc=0.8, image_auprc=0.8),
        record(4, 1.0, 5.0, pixel_aupro_030=0.8, pixel_auroc=0.8, image_auprc=0.8),
        record(3, 1.0, 1.0),  # has no masks
        record(0, 0.99, 1.0, pixel_aupro_030=0.99),
    ]
    for shift in range(len(expected)):
        assert ranked(expected[shift:] + expected[:shift]) == expected == ranked(expected[::-1])


def test_a_difference_by_rounding_is_a_tie():
    """0.1 + 0.2 is not 0.3 to the last bit; the better localisation still wins."""
    better = record(1, 0.3, pixel_aupro_030=0.9)
    assert ranked([record(0, 0.1 + 0.2, pixel_aupro_030=0.8), better])[0] is better
    assert ranked([record(0, 0.1 + 0.2), record(1, 0.3)])[0].number == 0


def test_an_undefined_metric_decides_nothing():
    first, second = (
        record(0, pixel_aupro_030=math.nan, image_auprc=0.7),
        record(1, pixel_aupro_030=math.nan, image_auprc=0.8),
    )
    assert ranked([first, second]) == [second, first]


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        ([record(0, 0.9), record(1, 0.8)], ""),
        ([], ""),
        ([record(0, math.nan), record(1, math.nan)], ""),
        ([record(0, 1.0), record(1, 1.0, feasible=False)], ""),
        (
            [record(0, 1.0, 1.0, pixel_aupro_030=0.8), record(1, 1.0, 2.0, pixel_aupro_030=0.85), record(2, 0.5)],
            "2 trials have the best objective; trial 1 wins by its AU-PRO 0.30 on Val (0.850, next 0.800).",
        ),
        (
            [record(0, 1.0, 2.0, image_auprc=0.8), record(1, 1.0, 1.0, image_auprc=0.8), record(2, 1.0, 3.0)],
            "3 trials have the best objective; trial 1 wins by its smaller model.",
        ),
        (
            [record(0, 1.0), record(1, 1.0)],
            "2 trials have the best objective; trial 0 wins by coming first.",
        ),
    ],
)
def test_what_decided_is_told(trials, words):
    assert tie_in_words(trials) == words == tie_in_words(trials[::-1])


def test_of_equals_the_front_shows_the_one_that_ranks_first():
    equals = [record(0, 0.9, 1.0, pixel_aupro_030=0.7), record(1, 0.9, 1.0, pixel_aupro_030=0.8)]
    assert pareto_front(equals) == [equals[1]]
