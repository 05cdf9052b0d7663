"""An experiment's lines as a table for people."""

from collections.abc import Sequence

from adtrack.detectors import detector_class
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
    "Brackets hold 95 % intervals. Those of one class's shares are exact (Clopper and Pearson). The others come from "
    "1000 resamples of the Test images. Normal and anomalous images are drawn apart, and each resample holds one image "
    "more, which was not seen and is at its worst or at its best. Differences are paired: both sides have the same "
    "resamples. Pixel metrics have no interval."
)


def lines_table(
    title: str,
    found: Sequence[Line],
    metrics: Sequence[str],
    compared: Sequence[str] = (),
    pixel: Sequence[str] = (),
    notes: str = "",
) -> Table:
    """A table of ``metrics``, of the differences of the metrics ``compared``, and of ``pixel`` metrics.

    A cell is empty in the row of a reference, which has no difference, and MISSING where there is no such number.
    """
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


def maps_note(methods: Sequence[str]) -> str:
    """A sentence that says which of the methods have no pixel metrics; "" if all have them."""
    without = [method for method in methods if not detector_class(method).has_maps]
    if not without:
        return ""
    verb, they = ("scores", "it has") if len(without) == 1 else ("score", "they have")
    return f"{' and '.join(without)} {verb} whole images only, so {they} no pixel metrics."
