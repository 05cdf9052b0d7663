"""The metrics of a model's image sets as rows in the terminal."""

import math
from collections.abc import Callable, Mapping

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.table import estimate_text

_COLUMNS = (
    ("image AUROC", "image_auroc"),
    ("AUPRC", "image_auprc"),
    ("F1", "f1"),
    ("recall", "recall"),
    ("pixel AUROC", "pixel_auroc"),
    ("AU-PRO 0.30", "pixel_aupro_030"),
)
_GOOD_COLUMNS = (
    ("false alarms", "false_alarm_rate"),
    ("threshold", "threshold"),
    ("median score", "score_median"),
    ("highest", "score_max"),
)


def print_metrics(sets: Mapping[str, Mapping[str, float]], no_pixels: str, say: Callable[[str], None]) -> None:
    """A row for each set, and below them why some have no pixel metrics: ``no_pixels`` says it if none has any."""
    known = {key for metrics in sets.values() for key in metrics}
    shown = _COLUMNS if "image_auroc" in known else _GOOD_COLUMNS
    columns, (told, key) = [column for column in shown if column[1] in known], shown[0]
    with_alarms = shown is _COLUMNS and "false_alarm_rate" in known
    intervals = f"   {f'{told} 95 %':16}" + "   false alarms 95 %" * with_alarms
    say(f"  {'':12}" + "".join(f"{title:>{_width(title)}}" for title, _ in columns) + intervals)
    for name, metrics in sets.items():
        interval = f"   [{metrics[f'{key}_low']:.3f}, {metrics[f'{key}_high']:.3f}]"
        cells = "".join(f"{_cell(metrics.get(metric, math.nan)):>{_width(title)}}" for title, metric in columns)
        alarms = estimate_text(_false_alarms(metrics)) if with_alarms else ""
        say(f"  {name:12}{cells}{interval:19}   {alarms}".rstrip())
    undefined = [name for name, metrics in sets.items() if math.isnan(metrics.get("pixel_auroc", 0.0))]
    if no_pixels:
        say(f"  No pixel metrics: {no_pixels}.")
    elif undefined:
        say(f"  No pixel metrics of {' and '.join(undefined)}: no mask there marks a pixel that the view shows.")


def _width(title: str) -> int:
    """The width of a column: so that all of them have room in a terminal of 120 characters."""
    return max(len(title), 5) + 2


def _cell(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _false_alarms(metrics: Mapping[str, float]) -> Estimate:
    """The share of false alarms. It is NaN in a run of an older adtrack."""
    return Estimate(*(metrics.get(f"false_alarm_rate{end}", math.nan) for end in ("", "_low", "_high")))
