"""Can one model serve all classes?

One model of the Train-clean of all classes beside a model for each class. The one model is measured with a threshold
for each class (model-unified) and with a single threshold (absolute-unified). Two diagnostics show how far it mixes
classes up (the identical shortcut): how many normal images of one class are alarms at another class's threshold, and
how many Test patches resemble an image of another class most.

Command:  adtrack experiment unified                                     (mlflow run . -e experiment -P name=unified)
Writes:   tables/unified/: unified.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     30 s on the demo data after shift_regimes, whose models it shares, on 2 CPU cores.
Result:   on the demo data one model ranks images nearly as well as a model for each class; one threshold for all
          classes does not fit.
"""

from pathlib import Path

import numpy as np

from adtrack.lab.cells import Cells
from adtrack.lab.charts import matrix_chart, points_chart
from adtrack.lab.rows import Row, compared, frame, lines
from adtrack.lab.setup import Setup
from adtrack.lab.tables import lines_table, maps_note
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
        notes=f"On Test-clean. Differences are to a model for each class. {maps_note(setup.methods)}".strip(),
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
    """The two diagnostics of the model of all classes."""
    columns = [
        Column("normal images of", number=False),
        *(Column(f"at the threshold\nof {name}") for name in found.classes),
    ]
    rows = [[name, *map(number_text, shares)] for name, shares in zip(found.classes, found.alarms, strict=True)]
    notes = "Cells are shares of the class's normal Test-clean images that the model of all classes calls anomalous."
    if not np.isnan(found.foreign).all():
        columns.append(Column("patches nearest to\nanother class"))
        rows = [[*row, number_text(share)] for row, share in zip(rows, found.foreign, strict=True)]
        notes += (
            " The last column is the share of the class's Test-clean patches that resemble another class's image most."
        )
    return Table(f"Identical shortcut, {found.method}", tuple(columns), tuple(map(tuple, rows)), notes)


EXPERIMENT = Experiment(NAME, measure)
