"""How much does drift cost, and what wins it back?

Every method on every class, on clean images and through MVTec-Shift, in the protocol's four regimes: the clean
reference; no adaptation; a threshold chosen on shifted images; model and threshold from shifted images.

Command:  adtrack experiment shift_regimes                         (mlflow run . -e experiment -P name=shift_regimes)
          adtrack experiment shift_regimes --data DIR --classes magnetic_tile --weights trunk.pth
Writes:   tables/shift_regimes/: shift_regimes.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     70 s on the demo data (3 classes, cold cache), 3 min on magnetic_tile (1344 images, 1 % of the patches),
          on 2 CPU cores.
Result:   drift costs far more than a new threshold wins back; a model of shifted images wins back a part. See
          experiments/README.md.
"""

from pathlib import Path

from adtrack.lab.cells import Cells
from adtrack.lab.charts import points_chart
from adtrack.lab.regimes import REFERENCE, measure_regimes
from adtrack.lab.rows import Row, compared, frame, lines
from adtrack.lab.setup import Setup
from adtrack.lab.tables import lines_table, maps_note
from adtrack.reporting.charts import write_chart
from adtrack.reporting.table import Table
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "shift_regimes"
METRICS = ("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall", "false_alarm_rate")


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all regimes; write table and charts."""
    measured = measure_regimes(cells, setup)
    rows = [Row({"method": one.method, "regime": one.regime.name}, one.samples, pixel=one.pixel) for one in measured]
    found = lines(compared(rows, "regime", REFERENCE.name), METRICS)
    table = lines_table(
        "What drift costs, and what wins it back",
        found,
        ("image_auroc", "f1", "false_alarm_rate"),
        compared=("image_auroc", "f1"),
        pixel=("pixel_auroc", "pixel_aupro_030"),
        notes=f"Differences are to the clean reference of the same method. {maps_note(setup.methods)}".strip(),
    )
    write_report(NAME, frame(found), [table], folder)
    for metric in ("image_auroc", "f1"):
        write_chart(points_chart(found, metric, "regime", "method", "Regimes under shift"), folder, f"{NAME}_{metric}")
    return [table]


EXPERIMENT = Experiment(NAME, measure)
