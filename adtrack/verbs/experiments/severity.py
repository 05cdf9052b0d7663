"""From which severity on does a model of clean images fail?

AUROC, F1 and the share of false alarms on Test, which is shifted with severities from 0 (no shift) over 1 (the
protocol's) to 2 (double). The threshold is the one that was fixed on clean images.

Command:  adtrack experiment severity                                   (mlflow run . -e experiment -P name=severity)
Writes:   tables/severity/: severity.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     80 s on the demo data, 7 min on magnetic_tile (1 % of the patches), on 2 CPU cores.
Result:   on magnetic_tile a quarter of the protocol's shift is already felt; PatchCore begins higher and falls faster
          than PaDiM, and at double severity neither ranks images much better than chance.
"""

from pathlib import Path

from adtrack.lab.cells import Cells
from adtrack.lab.charts import curves_chart
from adtrack.lab.rows import Row, compared, frame, lines
from adtrack.lab.setup import Setup
from adtrack.lab.severity import measure_severities
from adtrack.lab.tables import lines_table
from adtrack.reporting.charts import write_chart
from adtrack.reporting.table import Table
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "severity"
METRICS = ("image_auroc", "f1", "false_alarm_rate")


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all severities; write table and charts."""
    measured = measure_severities(cells, setup)
    rows = [Row({"method": one.method, "severity": f"{one.severity:g}"}, one.samples) for one in measured]
    found = lines(compared(rows, "severity", "0"), METRICS)
    table = lines_table(
        "Severity of the shift",
        found,
        METRICS,
        compared=("image_auroc", "f1"),
        notes="At the threshold of Val-clean. Differences are to severity 0, the clean images.",
    )
    write_report(NAME, frame(found), [table], folder)
    for metric in METRICS:
        write_chart(
            curves_chart(found, metric, "severity", "method", "Severity of the shift"), folder, f"{NAME}_{metric}"
        )
    return [table]


EXPERIMENT = Experiment(NAME, measure)
