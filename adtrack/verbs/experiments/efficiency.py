"""What do the methods cost?

For every method on every class: the model's size, the seconds to build it, the milliseconds to score an image (median
and 95th percentile, from the file to score and anomaly map) and the peak memory. Each method is measured in a process
of its own, one at a time, once the layer outputs are in the cache and the process is warm.

Command:  adtrack experiment efficiency                               (mlflow run . -e experiment -P name=efficiency)
Writes:   tables/efficiency/: efficiency.csv, .md, .tex, .html and a chart; the same on an MLflow run.
Cost:     110 s on the demo data, 65 s on magnetic_tile (1 % of the patches), on 2 CPU cores.
Result:   PatchCore's bank of 1 % of the patches is smaller than PaDiM's Gaussians. With both methods the network
          takes most of the time that an image takes.
"""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from adtrack.lab.cells import Cells
from adtrack.lab.charts import scatter_chart
from adtrack.lab.efficiency import Cost, measure_costs
from adtrack.lab.setup import Setup
from adtrack.reporting.charts import Spot, write_chart
from adtrack.reporting.table import Column, Table, number_text
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "efficiency"
COLUMNS = {
    "size_mb": "size\nMB",
    "build_s": "build\ns",
    "median_ms": "ms per image\nmedian",
    "p95_ms": "ms per image\n95th percentile",
    "peak_mb": "peak memory\nMB",
}


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all costs; write table and chart."""
    costs = measure_costs(cells, setup)
    tables = [table(costs)]
    write_report(NAME, pd.DataFrame([asdict(cost) for cost in costs]), tables, folder)
    spots = {
        method: [Spot(cost.size_mb, cost.median_ms, cost.class_name) for cost in costs if cost.method == method]
        for method in setup.methods
    }
    write_chart(scatter_chart("What scoring costs", "size, MB", "ms per image", spots, log_x=True), folder, NAME)
    return tables


def table(costs: list[Cost]) -> Table:
    """The costs for people."""
    columns = (Column("class", number=False), Column("method", number=False), *map(Column, COLUMNS.values()))
    rows = tuple(
        (cost.class_name, cost.method, *(number_text(getattr(cost, name), 1) for name in COLUMNS)) for cost in costs
    )
    notes = (
        "Building starts from layer outputs that are in the cache. The time of an image runs from its file to its "
        "score and, where the method has one, its anomaly map. The peak memory is that of a process that builds and "
        "scores, with all libraries."
    )
    return Table("What the methods cost", columns, rows, notes)


EXPERIMENT = Experiment(NAME, measure)
