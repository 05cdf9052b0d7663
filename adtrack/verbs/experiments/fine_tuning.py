"""Does fine-tuning the network on good images help?

Every method behind the network as it is, and behind the same network after adtrack fine-tune has trained it on the good
Train images of the class, by rotation and by CutMix. Image AUROC on Test-clean and Test-shift with differences to the
network as it is, on the same images. --trunks NAME=WEIGHTS,… takes networks that are there instead of training them. A
network that cannot be had is a row that says why; the exit code is 1 then.

Command:  adtrack experiment fine_tuning                             (mlflow run . -e experiment -P name=fine_tuning)
          adtrack experiment fine_tuning --data DIR --classes magnetic_tile --weights trunk.pth --methods patchcore
Writes:   tables/fine_tuning/: fine_tuning.csv, .md, .tex, .html and charts; the same on an MLflow run. The trainings
          are runs of their own.
Cost:     two trainings for each class, and for each network a pass over Train, Val-clean, Test-clean and Test-shift.
Result:   the table says what a class gains or loses; where an interval holds 0, its images cannot tell.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from adtrack.config import BackboneSpec, DataSpec, LayersSpec
from adtrack.errors import UserError
from adtrack.lab.backbones import measure_networks
from adtrack.lab.cells import Cells
from adtrack.lab.network_tables import write_networks
from adtrack.lab.networks import NamedNetwork
from adtrack.lab.setup import Setup
from adtrack.reporting.table import Table
from adtrack.training.spec import TASK_NAMES, FineTuneSpec
from adtrack.verbs.bench_setup import Say
from adtrack.verbs.experiment import Experiment
from adtrack.verbs.fine_tune import NEVER, fine_tune

NAME = "fine_tuning"
TITLE = "What fine-tuning the network does"
AS_IT_IS = "as it is"


def prepare(setup: Setup, say: Say, warn: Say) -> Setup:
    """The setup with the network as it is and, where none were named, those that are trained now for each class."""
    named = setup.networks or tuple(_trained(setup, say, warn))
    return replace(setup, networks=(NamedNetwork(AS_IT_IS, setup.backbone), *named))


def _trained(setup: Setup, say: Say, warn: Say) -> Iterator[NamedNetwork]:
    """The network, trained on each class by each task, with all layers of all methods. UserError: there are none."""
    specs = [spec for spec in setup.settled().detectors if isinstance(spec, LayersSpec)]
    layers = tuple(dict.fromkeys(layer for spec in specs for layer in spec.layers))
    if not layers:
        raise UserError("fine-tuning must have a method that uses layers of a network, but no method does.")
    for task in TASK_NAMES:
        for class_name in setup.classes:
            say(f"{class_name}: fine-tuning by {task}")
            spec = FineTuneSpec(task, layers=layers, seed=setup.seed)
            data = DataSpec(class_name, setup.data, setup.seed)
            tuned = fine_tune(data, setup.image, setup.backbone, spec, setup.device, NEVER, say, warn)
            say(tuned.tuned.verdict.words)
            backbone = BackboneSpec(setup.backbone.name, tuned.uri, setup.seed)
            yield NamedNetwork(task, backbone, class_name=class_name)


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure every network; write table and charts."""
    return write_networks(NAME, TITLE, measure_networks(cells, setup, setup.networks), folder)


EXPERIMENT = Experiment(NAME, measure, prepare, goes_on=True)
