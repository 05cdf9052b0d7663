"""The figures on a model's page."""

from mlflow.entities import LoggedModel, LoggedModelParameter, Metric

from adtrack.tracking.model_card import how_to_call
from adtrack.tracking.model_figures import figures_of

VALUES = {"f1": 0.75, "false_alarm_rate": 0.25, "recall": 0.9, "image_auroc": 0.95, "threshold": 1.5}
VALUES |= {"false_alarm_rate_low": 0.125, "false_alarm_rate_high": 0.5}


def model(sets: tuple[str, ...], without: str = "", **params: str) -> LoggedModel:
    keys = [key for key in VALUES if not without or without not in key]
    metrics = [Metric(f"{name}/{key}", VALUES[key], 0, 0) for name in sets for key in keys]
    told = [LoggedModelParameter(*pair) for pair in params.items()]
    return LoggedModel("0", "m-1", "nut", "", 0, 0, metrics=metrics, params=told)


def test_test_comes_before_val() -> None:
    found = figures_of(model(("test_shift", "val_clean", "test_clean"), calibrate_on="both", threshold_from="f1"))
    assert [row[0] for row in found.rows] == ["Test-clean", "Test-shift"]
    assert found.rows[0][1:] == ("0.750", "0.250 [0.125, 0.500]", "0.900", "0.950")
    assert found.notes == "The threshold 1.5 has the best F1 on Val-clean and Val-shift together."
    page = how_to_call("models:/adtrack-nut/1", maps=True, figures=found)
    assert "| Images | F1 | False alarms" in page and "| Test-shift | 0.750 |" in page
    assert page.index("Test-shift") < page.index("adtrack score")


def test_models_of_good_images_have_false_alarms_alone() -> None:
    one = model(("val_clean",), "f1", threshold_from="good_quantile", good_quantile="0.9")
    one.metrics[:] = [metric for metric in one.metrics if not metric.key.endswith(("recall", "auroc"))]
    found = figures_of(one)
    assert found.rows == (("Val-clean", "0.250 [0.125, 0.500]"),)
    assert found.notes == "The threshold 1.5 lets 90 % of the good images of Val-clean pass."


def test_what_was_not_measured_is_not_told() -> None:
    assert figures_of(model(())) is None
    assert "False alarms" not in how_to_call("models:/adtrack-nut/1", maps=True)
    assert figures_of(model(("val_shift",))).notes == "The threshold 1.5 has the best F1 on Val-clean."  # an old one
