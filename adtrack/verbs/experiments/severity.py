"""From which severity on does a model of clean images fail, and how far does one that is built for drift hold?

AUROC, F1, false alarms and recall on Test, which is shifted with severities from 0 (no shift) over 1 (the protocol's)
to 2 (double). Each method is built plain, with the threshold of Val-clean, and for drift, with the threshold of
Val-clean and Val-shift together. No threshold is moved. Without options of its own for drift, a method is built with a
recipe; --augment, --standardise and the like change it.

Command:  adtrack experiment severity                                   (mlflow run . -e experiment -P name=severity)
Writes:   tables/severity/: severity.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     two models for each class and method, and seven passes of the network over Test.
Result:   on magnetic_tile, at the protocol's severity, the PatchCore that is built for drift ranks images as well as
          the plain one does at half of it, and has half of its false alarms.
"""

from pathlib import Path

from adtrack.lab.cells import Cells
from adtrack.lab.charts import curves_chart, panels_chart
from adtrack.lab.rows import Row, compared, frame, lines
from adtrack.lab.setup import Setup
from adtrack.lab.severity import measure_severities
from adtrack.lab.tables import lines_table
from adtrack.reporting.charts import write_chart
from adtrack.reporting.table import Table
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "severity"
METRICS = ("image_auroc", "f1", "false_alarm_rate", "recall")
PICTURED = ("image_auroc", "false_alarm_rate", "recall")


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all severities; write table and charts."""
    measured = measure_severities(cells, setup)
    rows = [
        Row({"method": one.method, "model": one.model, "severity": f"{one.severity:g}"}, one.samples)
        for one in measured
    ]
    found = lines(compared(rows, "severity", "0"), METRICS)
    title = "Severity of the shift"
    tables = [
        lines_table(
            f"{title}: {method}",
            [line for line in found if line.names["method"] == method],
            METRICS,
            compared=("image_auroc", "f1"),
            notes="Plain models have the threshold of Val-clean, those built for drift that of Val-clean and Val-shift "
            "together. Differences are to severity 0, the clean images.",
        )
        for method in setup.methods
    ]
    write_report(NAME, frame(found), tables, folder)
    write_chart(panels_chart(found, PICTURED, "severity", title, "Bands are 95 % intervals."), folder, NAME)
    write_chart(curves_chart(found, "f1", "severity", title), folder, f"{NAME}_f1")
    return tables


EXPERIMENT = Experiment(NAME, measure)
