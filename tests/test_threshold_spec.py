"""What a threshold is found by: what auto means, what runs say, and what is refused."""

import pytest

from adtrack.errors import UserError
from adtrack.threshold_spec import ThresholdSpec


def test_what_auto_means_for_thresholds() -> None:
    usual, asked = ThresholdSpec(), ThresholdSpec("val_shift", "good_quantile", 0.9)
    assert usual.resolved(has_anomalies=True) == ThresholdSpec("both", "f1")
    assert usual.resolved(has_anomalies=False) == ThresholdSpec("val_clean", "good_quantile")
    assert asked.resolved(has_anomalies=True) == asked.resolved(has_anomalies=False) == asked
    spread = ThresholdSpec(threshold_from="mean_std")
    assert spread.resolved(has_anomalies=False) == ThresholdSpec("val_clean", "mean_std")
    assert spread.resolved(has_anomalies=True).facts() == {"calibrated_on": "both", "threshold_from": "mean_std"}
    assert ThresholdSpec("both").sets == ("val_clean", "val_shift") and asked.sets == ("val_shift",)


def test_runs_say_how_their_threshold_was_found() -> None:
    params = {"calibrate_on": "both", "threshold_from": "good_quantile", "good_quantile": "0.9"}
    assert ThresholdSpec.from_params(params) == ThresholdSpec("both", "good_quantile", 0.9)
    assert ThresholdSpec.from_params({}) == ThresholdSpec("val_clean", "f1")
    assert ThresholdSpec.from_params({}, has_anomalies=False) == ThresholdSpec("val_clean", "good_quantile")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("val",), "calibrate_on must be both, val_clean, val_shift or auto, but got 'val'"),
        (("both", "f2"), "threshold_from must be f1, good_quantile, mean_std or auto, but got 'f2'"),
        (("both", "f1", 0.0), r"good quantile must be in \(0, 1\], but got 0.0"),
    ],
)
def test_an_unknown_way_to_a_threshold_is_refused(given: tuple[object, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        ThresholdSpec(*given)
