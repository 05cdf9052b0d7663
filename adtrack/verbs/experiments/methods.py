"""Which method serves best, and what does it cost?

All methods on the same splits, behind the same network where they have one: image AUROC, AUPRC and F1 (at the
threshold of Val-clean), pixel AUROC and AU-PRO on Test-clean and Test-shift, with paired differences to PatchCore; the
size of the model, the seconds to build it, the milliseconds that an image takes and the peak memory. A ranking says
which places the images leave open, and a sheet shows the same images as every method sees them. Each method is measured
in a process of its own. One that cannot be measured is a row that says why; the exit code is 1 then.

Command:  adtrack experiment methods                                     (mlflow run . -e experiment -P name=methods)
          adtrack experiment methods --data DIR --classes magnetic_tile --weights trunk.pth --backbone resnet18
Writes:   tables/methods/: methods.csv, methods_ranking.csv, .md, .tex, .html, charts and a sheet of pictures for each
          class; the same on an MLflow run.
Cost:     a model of each method for each class: seconds for those in closed form, minutes for those that learn.
Result:   see experiments/README.md.
"""

from collections.abc import Sequence
from pathlib import Path

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.pictures.png import save_png
from adtrack.evaluation.pictures.side_by_side import LEGEND
from adtrack.filenames import ascii_name
from adtrack.lab.cells import Cells
from adtrack.lab.method_pictures import CHOICE, method_sheet
from adtrack.lab.method_tables import (
    auroc_chart,
    cost_chart,
    measured,
    method_costs,
    methods_frame,
    ranking_frame,
    ranking_table,
    scores_table,
    standings,
)
from adtrack.lab.methods import MethodScores, measure_methods
from adtrack.lab.setup import Setup
from adtrack.reporting.charts import write_chart
from adtrack.reporting.document import Section
from adtrack.reporting.files import write_text
from adtrack.reporting.parts import Paragraph, Picture
from adtrack.reporting.table import Table
from adtrack.reporting.tables import csv_text, write_report
from adtrack.verbs.experiment import Experiment

NAME = "methods"
TITLE = "Which method serves best"


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure every method; write tables, charts and pictures."""
    found = measure_methods(cells, setup)
    tables = [scores_table(found, test) for test in TEST_SETS]
    sections: Sequence[Section] = ()
    if measured(found):
        ranked = standings(found)
        tables = [ranking_table(ranked), *tables, method_costs(found)]
        write_text(folder / f"{NAME}_ranking.csv", csv_text(ranking_frame(ranked)))
        write_chart(auroc_chart(found, TITLE), folder, f"{NAME}_auroc")
        write_chart(cost_chart(found, "What a method finds, and the time it takes"), folder, f"{NAME}_cost")
        sections = [_pictures(setup, class_name, measured(found), folder) for class_name in setup.classes]
    write_report(NAME, methods_frame(found), tables, folder, below=sections)
    return tables


def _pictures(setup: Setup, class_name: str, found: Sequence[MethodScores], folder: Path) -> Section:
    """Write the sheet of one class as a PNG; the section of the page shows it, too."""
    sheet = method_sheet(setup.unseen().bench(class_name), {one.method: one.cells[class_name] for one in found})
    save_png(folder / f"{NAME}_{ascii_name(class_name)}.png", sheet)
    title = f"The same images as every method sees them: {class_name}"
    return Section(title, [Paragraph(f"{CHOICE} {LEGEND}"), Picture(sheet, title)])


EXPERIMENT = Experiment(NAME, measure, goes_on=True)
