"""Which network serves best, and what does it cost?

Every method behind every network of --backbones, each NAME, NAME=WEIGHTS or NAME:LAYERS=WEIGHTS; a network without
weights of its own has those of --weights, one without layers those of --layers. Image AUROC on Test-clean and
Test-shift with differences to the first network on the same images, the size of the model, the time of a pass and the
dimensions of a patch. A network that cannot be had is a row that says why; the exit code is 1 then.

Command:  adtrack experiment backbones                                 (mlflow run . -e experiment -P name=backbones)
          adtrack experiment backbones --data DIR --classes magnetic_tile --methods patchcore
          --backbones resnet18:layer2+layer3=trunk.pth,squeezenet1_1:features.5+features.8=squeezenet.safetensors
Writes:   tables/backbones/: backbones.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     for each network a pass over Train, Val-clean, Test-clean and Test-shift, and a model for each method.
Result:   see experiments/README.md.
"""

from pathlib import Path

from adtrack.lab.backbones import measure_networks
from adtrack.lab.cells import Cells
from adtrack.lab.network_tables import networks_chart, networks_frame, networks_table
from adtrack.lab.setup import Setup
from adtrack.reporting.charts import write_chart
from adtrack.reporting.table import Table
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "backbones"
TITLE = "Which network serves best"


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure every network; write table and charts."""
    found = measure_networks(cells, setup, setup.networks)
    tables = [networks_table(TITLE, found)]
    write_report(NAME, networks_frame(found), tables, folder)
    for method in setup.methods:
        some = [one for one in found if one.method == method and not one.failure]
        if some:
            write_chart(networks_chart(f"{TITLE} ({method})", some), folder, f"{NAME}_{method}")
    return tables


EXPERIMENT = Experiment(NAME, measure, names_networks=True)
