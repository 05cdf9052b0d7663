"""How much does drift cost, and what wins it back?

Every method on every class, on clean images and through MVTec-Shift, in the protocol's regimes: the clean reference; no
adaptation; a threshold chosen on shifted images; model and threshold from shifted images; a model built for drift, as
it is and with a threshold that goes with 16 images without labels.

Command:  adtrack experiment shift_regimes                         (mlflow run . -e experiment -P name=shift_regimes)
          adtrack experiment shift_regimes --data DIR --classes magnetic_tile --weights trunk.pth
Writes:   tables/shift_regimes/: shift_regimes.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     three models for each class and method: 5 min on magnetic_tile (1344 images, 1 % of the patches) on 2 busy CPU
          cores with features in the cache, without which the network passes six times over Train.
Result:   drift costs far more than a new threshold wins back; a model of shifted images wins back a part, and PatchCore
          built for drift three quarters. See experiments/README.md.
"""

from pathlib import Path

from adtrack.lab.cells import Cells
from adtrack.lab.charts import points_chart
from adtrack.lab.regimes import REFERENCE, measure_regimes
from adtrack.lab.rows import Row, frame, lines
from adtrack.lab.setup import Setup
from adtrack.lab.tables import lines_table, maps_note
from adtrack.reporting.charts import write_chart
from adtrack.reporting.table import Table
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "shift_regimes"
ADAPTED = (
    "Where a model is adapted without labels, its threshold goes with 16 images of Test-shift, two of them defects, "
    "and the other images are tested."
)
METRICS = ("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall", "false_alarm_rate")


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all regimes; write table and charts."""
    measured = measure_regimes(cells, setup)
    references = {one.method: one for one in measured if one.regime == REFERENCE}
    rows = [
        Row(
            {"method": one.method, "regime": one.regime.name},
            one.samples,
            None if one.regime == REFERENCE else one.beside(references[one.method]),
            one.pixel,
        )
        for one in measured
    ]
    found = lines(rows, METRICS)
    table = lines_table(
        "What drift costs, and what wins it back",
        found,
        ("image_auroc", "f1", "false_alarm_rate", "recall"),
        compared=("image_auroc", "f1"),
        pixel=("pixel_auroc", "pixel_aupro_030"),
        notes=" ".join(["Differences are to the clean reference of the same method.", ADAPTED, *_maps(setup)]),
    )
    write_report(NAME, frame(found), [table], folder)
    for metric in ("image_auroc", "f1"):
        write_chart(points_chart(found, metric, "regime", "method", "Regimes under shift"), folder, f"{NAME}_{metric}")
    return [table]


def _maps(setup: Setup) -> list[str]:
    return [note for note in (maps_note(setup.methods),) if note]


EXPERIMENT = Experiment(NAME, measure)
