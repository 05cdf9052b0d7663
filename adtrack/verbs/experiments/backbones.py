"""Which network serves best, and what does it cost?

Every method behind every network of --backbones, each NAME, NAME=WEIGHTS or NAME:LAYERS=WEIGHTS; a network without
weights of its own has those of --weights, one without layers those of --layers. Image AUROC on Test-clean and
Test-shift with differences to the first network on the same images, the size of the model, the time of a pass and the
dimensions of a patch. A network that cannot be had is a row that says why; the exit code is 1 then.

Command:  adtrack experiment backbones                                 (mlflow run . -e experiment -P name=backbones)
          adtrack experiment backbones --data DIR --classes magnetic_tile --methods patchcore
          --backbones resnet18=trunk.pth,timm/tf_efficientnet_lite0,resnet18:layer2=trunk.pth
Writes:   tables/backbones/: backbones.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     for each network a pass over Train, Val-clean, Test-clean and Test-shift, and a model for each method.
Result:   on magnetic_tile EfficientNet-Lite0 ranks images as well as ResNet-18, with a smaller bank and a quicker pass.
          See experiments/README.md.
"""

from pathlib import Path

from adtrack.lab.backbones import measure_networks
from adtrack.lab.cells import Cells
from adtrack.lab.network_tables import write_networks
from adtrack.lab.setup import Setup
from adtrack.reporting.table import Table
from adtrack.verbs.experiment import Experiment

NAME = "backbones"
TITLE = "Which network serves best"


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure every network; write table and charts."""
    return write_networks(NAME, TITLE, measure_networks(cells, setup, setup.networks), folder)


EXPERIMENT = Experiment(NAME, measure, goes_on=True)
