"""What a logged model does at its threshold, as a table for its page: nobody shall see its AUROC alone."""

import math

from mlflow.entities import LoggedModel

from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.threshold_words import got_by
from adtrack.reporting.table import Column, Table, estimate_text
from adtrack.threshold_spec import ThresholdSpec

_COLUMNS = {
    "f1": "F1",
    "false_alarm_rate": "False alarms [95 %]",
    "recall": "Recall",
    "image_auroc": "Image AUROC [95 %]",
}


def figures_of(model: LoggedModel) -> Table | None:
    """The figures on Test of a model that was measured there, else those on Val; None if it was measured on neither."""
    metrics = {metric.key: metric.value for metric in model.metrics or ()}
    measured = [name for name in (*VAL_SETS, *TEST_SETS) if f"{name}/false_alarm_rate" in metrics]
    names = [name for name in measured if name in TEST_SETS] or measured
    if not names:
        return None
    shown = {key: heading for key, heading in _COLUMNS.items() if f"{names[0]}/{key}" in metrics}
    params = model.params or {}
    spec = ThresholdSpec.from_params(params, has_anomalies="f1" in shown)
    columns = (Column("Images", number=False), *map(Column, shown.values()))
    rows = tuple((set_name(name), *(_text(metrics, f"{name}/{key}") for key in shown)) for name in names)
    notes = f"The threshold {metrics[f'{names[0]}/threshold']:.4g} {got_by(spec, params)}."
    return Table("At its threshold", columns, rows, notes)


def _text(metrics: dict[str, float], name: str) -> str:
    return estimate_text(Estimate(*(metrics.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high"))))
