"""How thresholds are found, in words."""

import re
from pathlib import Path

import pytest

from adtrack.config import DataSpec
from adtrack.evaluation.opened_class import open_class
from adtrack.evaluation.threshold_words import found_by, threshold_sentences
from adtrack.evaluation.thresholds import expected_false_alarms
from adtrack.threshold_spec import ThresholdSpec


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ThresholdSpec("both", "f1"), "has the best F1 on Val-clean and Val-shift together"),
        (ThresholdSpec("val_shift", "f1"), "has the best F1 on Val-shift"),
        (ThresholdSpec("val_clean", "good_quantile"), "lets 99 % of the good images of Val-clean pass"),
        (
            ThresholdSpec("both", "good_quantile", 0.925),
            "lets 92.5 % of the good images of Val-clean and of Val-shift pass",
        ),
        (
            ThresholdSpec("both", "mean_std"),
            "lies 2 standard deviations above the mean score of the good images of Val-clean or Val-shift, whichever "
            "is higher",
        ),
    ],
)
def test_the_rule_and_the_images_are_told(spec: ThresholdSpec, words: str) -> None:
    assert found_by(spec) == words


@pytest.mark.parametrize("where", ["both", "val_shift"])
def test_what_a_quantile_promises_is_told_where_anomalies_are_labelled(tiny_data: Path, where: str) -> None:
    opened = open_class(DataSpec("part", str(tiny_data)))
    assert threshold_sentences(1.5, ThresholdSpec(where, "f1"), opened) == (
        f"The threshold 1.500 {found_by(ThresholdSpec(where, 'f1'))}.",
    )
    told, more = threshold_sentences(1.5, ThresholdSpec(where, "good_quantile", 0.75), opened)
    expected = expected_false_alarms(2, 0.75)  # two of its ten good images are in Val
    assert told.startswith("The threshold 1.500 is the 0.75 quantile of 2 good Val-")
    assert re.search(rf"about {100 * expected.value:.0f} % \(95 %: {100 * expected.low:.2g} … ", told)
    assert ("at most about" in told) == ("whichever is higher" in told) == (where == "both")
    assert "for the 0.75 quantile Val needs 3 good images" in more and "No labelled anomalies" not in told
    assert len(threshold_sentences(1.5, ThresholdSpec(where, "good_quantile", 0.5), opened)) == 1


def test_what_mean_and_deviation_promise_is_told(tiny_data: Path) -> None:
    spec = ThresholdSpec("val_shift", "mean_std")
    (told,) = threshold_sentences(1.5, spec, open_class(DataSpec("part", str(tiny_data))))
    assert told.startswith(f"The threshold 1.500 {found_by(spec)}. If the scores") and "2.3 % of them will" in told
