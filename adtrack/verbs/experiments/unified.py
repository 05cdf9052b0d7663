"""Can one model serve all classes?

One bank on the pooled Train-clean of all classes against a bank a class: with a threshold a class (model-unified) and
with a single one (absolute-unified), and two diagnostics of the identical shortcut: normal images of one class at
another's threshold, and Test patches whose nearest bank patch belongs to another class.

Command:  adtrack experiment unified                                     (mlflow run . -e experiment -P name=unified)
Writes:   tables/unified/: unified.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     30 s on the demo data after shift_regimes, whose banks it shares, on 2 CPU cores.
Result:   on the demo data one bank ranks images nearly as well as a bank a class; one threshold for all classes does
          not fit.
"""

from pathlib import Path

import numpy as np

from adtrack.lab.cells import Cells
from adtrack.lab.charts import matrix_chart, points_chart
from adtrack.lab.rows import Row, compared, frame, lines
from adtrack.lab.setup import Setup
from adtrack.lab.tables import lines_table
from adtrack.lab.unified import SETTINGS, Shortcut, measure_unified
from adtrack.reporting.charts import write_chart
from adtrack.reporting.table import Column, Table, number_text
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "unified"
METRICS = ("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall", "false_alarm_rate")


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all settings and the diagnostics; write tables and charts."""
    settings, shortcuts = measure_unified(cells, setup)
    rows = [Row({"method": one.method, "setting": one.setting}, one.samples, pixel=one.pixel) for one in settings]
    found = lines(compared(rows, "setting", SETTINGS[0]), METRICS)
    table = lines_table(
        "One model for all classes",
        found,
        ("image_auroc", "f1", "false_alarm_rate"),
        compared=("image_auroc", "f1"),
        pixel=("pixel_auroc", "pixel_aupro_030"),
        notes="On Test-clean. Differences are to a bank a class of the same method.",
    )
    tables = [table, *map(diagnostics, shortcuts)]
    write_report(NAME, frame(found), tables, folder)
    write_chart(points_chart(found, "f1", "setting", "method", "One model for all classes"), folder, f"{NAME}_f1")
    for one in shortcuts:
        chart = matrix_chart(
            f"False alarms of the pooled {one.method}",
            "at the threshold of",
            "normal images of",
            one.classes,
            one.alarms,
        )
        write_chart(chart, folder, f"{NAME}_alarms_{one.method}")
    return tables


def diagnostics(found: Shortcut) -> Table:
    """The identical shortcut in numbers."""
    columns = [
        Column("normal images of", number=False),
        *(Column(f"at the threshold\nof {name}") for name in found.classes),
    ]
    rows = [[name, *map(number_text, shares)] for name, shares in zip(found.classes, found.alarms, strict=True)]
    if not np.isnan(found.foreign).all():
        columns.append(Column("patches nearest to\nanother class"))
        rows = [[*row, number_text(share)] for row, share in zip(rows, found.foreign, strict=True)]
    notes = "Shares of the class's normal Test-clean images that the pooled model calls anomalous"
    if not np.isnan(found.foreign).all():
        notes += ", and of all its Test-clean patches whose nearest bank patch comes from another class"
    notes += "."
    return Table(f"Identical shortcut, {found.method}", tuple(columns), tuple(map(tuple, rows)), notes)


EXPERIMENT = Experiment(NAME, measure)
