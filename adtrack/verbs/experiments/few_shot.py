"""How few good images does a model need?

Every method learns from 1, 2, 5, 10 and 20 images of Train, each number chosen five times, and from all of them. Image
AUROC on Test-clean and Test-shift: the mean over the choices, the lowest and the highest. Val and Test are the same for
all. A model of few images remembers as many rows as that of all images, as far as its images suffice: PatchCore's
coreset fraction is that much larger, and 1 where the images have no more patches.

Command:  adtrack experiment few_shot                                   (mlflow run . -e experiment -P name=few_shot)
          adtrack experiment few_shot --data DIR --classes magnetic_tile --weights trunk.pth --methods patchcore
Writes:   tables/few_shot/: few_shot.csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     26 models for each class and method; the network passes twice over Test and, in all, once over Train and a few
          hundred images more.
Result:   on magnetic_tile which images a model of few gets matters as much as having twice as many; all images are far
          better than twenty. See experiments/README.md.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.lab.cells import Cells
from adtrack.lab.few_shot import CHOICES, METRIC, FewShotLine, FewShotModel, few_shot_lines, measure_few_shots
from adtrack.lab.setup import Setup
from adtrack.lab.tables import HEADINGS
from adtrack.reporting.charts import Chart, Lines, write_chart
from adtrack.reporting.table import Column, Table, estimate_text, number_text
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "few_shot"
TITLE = "How few good images a model needs"
NOTES = (
    f"Means over {CHOICES} choices of so many Train images, and in brackets the lowest and the highest of them; all "
    "images make one model. Val and Test are the same in all rows. The brackets do not say what other Test images "
    "would give. Every model of a method remembers as many rows as that of all images, as far as its images suffice."
)


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all numbers of images; write table and charts."""
    models = measure_few_shots(cells, setup)
    found = few_shot_lines(models)
    tables = [table(found)]
    write_report(NAME, few_shot_frame(models), tables, folder)
    for method in setup.methods:
        write_chart(chart([line for line in found if line.method == method]), folder, f"{NAME}_{method}")
    return tables


def table(found: Sequence[FewShotLine]) -> Table:
    """The lines for people."""
    columns = (
        *(Column(name, number=False) for name in ("class", "method")),
        *map(Column, ("images", "rows")),
        *(Column(f"{HEADINGS[METRIC]}\n{set_name(test)}") for test in TEST_SETS),
    )
    rows = tuple(
        (
            *(line.class_name, line.method, line.words, number_text(line.rows, 0)),
            *(estimate_text(line.auroc[test]) for test in TEST_SETS),
        )
        for line in found
    )
    return Table(TITLE, columns, rows, NOTES)


def few_shot_frame(models: Sequence[FewShotModel]) -> pd.DataFrame:
    """Every model in full precision."""
    return pd.DataFrame(
        {
            "class": one.class_name,
            "method": one.method,
            "images": one.images,
            "all": one.is_all,
            "choice": one.choice,
            "rows": one.rows,
            **{f"{test}_{METRIC}": one.auroc[test] for test in TEST_SETS},
        }
        for one in models
    )


def chart(found: Sequence[FewShotLine]) -> Chart:
    """What one method does, against the number of images."""
    shown = [line for line in found if line.class_name == found[-1].class_name]
    lines = Lines(
        [line.images for line in shown],
        {set_name(test): [line.auroc[test] for line in shown] for test in TEST_SETS},
        log_x=True,
    )
    title = f"{TITLE} ({shown[0].method}, {shown[0].class_name})"
    note = f"Means over {CHOICES} choices of so many images; bands run from the lowest to the highest."
    return Chart(title, f"images learned from ({shown[-1].images:g}: all)", HEADINGS[METRIC], lines, note)


EXPERIMENT = Experiment(NAME, measure)
