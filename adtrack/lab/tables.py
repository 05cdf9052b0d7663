"""Lines of an experiment as tables for people."""

from collections.abc import Sequence

from adtrack.lab.rows import Line
from adtrack.reporting.table import Column, Table, difference_text, estimate_text, number_text

HEADINGS = {
    "image_auroc": "image AUROC",
    "image_auprc": "AUPRC",
    "f1": "F1",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "false_alarm_rate": "false alarms",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro_030": "AU-PRO 0.30",
    "pixel_aupro_005": "AU-PRO 0.05",
}
INTERVALS = (
    "In brackets 95 % intervals: of one class's shares the exact ones (Clopper and Pearson), else from 1000 resamples "
    "of the Test images, normal and anomalous ones apart, each with one image that was not seen, at its worst and at "
    "its best; differences are paired. Pixel metrics have none."
)


def lines_table(
    title: str,
    found: Sequence[Line],
    metrics: Sequence[str],
    compared: Sequence[str] = (),
    pixel: Sequence[str] = (),
    notes: str = "",
) -> Table:
    """A table of ``metrics``, of the differences of those ``compared``, and of ``pixel`` metrics."""
    names = list(found[0].names)
    columns = [
        *(Column(name, number=False) for name in ("class", *names)),
        *(Column(HEADINGS[metric]) for metric in metrics),
        *(Column(f"{HEADINGS[metric]}\ndifference") for metric in compared),
        *(Column(HEADINGS[metric]) for metric in pixel),
    ]
    rows = tuple(
        (
            line.class_name,
            *line.names.values(),
            *(estimate_text(line.metrics[metric]) for metric in metrics),
            *(difference_text(line.differences[metric]) if line.differences else "" for metric in compared),
            *(number_text(line.pixel[metric]) for metric in pixel),
        )
        for line in found
    )
    return Table(title, tuple(columns), rows, f"{notes} {INTERVALS}".strip())
