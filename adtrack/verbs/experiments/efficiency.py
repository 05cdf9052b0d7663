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
from adtrack.lab.efficiency import costs_table, measure_costs
from adtrack.lab.setup import Setup
from adtrack.reporting.charts import Spot, write_chart
from adtrack.reporting.table import Table
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "efficiency"


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all costs; write table and chart."""
    costs = measure_costs(cells, setup)
    tables = [costs_table(costs)]
    write_report(NAME, pd.DataFrame([asdict(cost) for cost in costs]), tables, folder)
    spots = {
        method: [Spot(cost.size_mb, cost.median_ms, cost.class_name) for cost in costs if cost.method == method]
        for method in setup.methods
    }
    write_chart(
        scatter_chart("What scoring costs", "size, MB", "ms per image", spots, log_x=True), folder, f"{NAME}_ms"
    )
    return tables


EXPERIMENT = Experiment(NAME, measure)
