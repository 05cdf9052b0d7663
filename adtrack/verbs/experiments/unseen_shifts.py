"""What does a model that was built for drift keep under shifts that it was not built for?

Every method plain and built for drift, with shifted draws of Train among what it learns from. Both meet the shifts that
the draws hold, stronger ones, each kind of transform in MVTec-Shift alone after draws without it, and kinds that
MVTec-Shift does not have: JPEG, gamma, white balance, vignette, defocus, a shadow with a sharp edge, dust. Without
options of its own for drift, a method is built with a recipe; --augment, --standardise and the like change it.

Command:  adtrack experiment unseen_shifts                         (mlflow run . -e experiment -P name=unseen_shifts)
          adtrack experiment unseen_shifts --data DIR --classes magnetic_tile --weights trunk.pth --methods patchcore
Writes:   tables/unseen_shifts/: unseen_shifts.csv, .md, .tex, .html and a chart; the same on an MLflow run.
Cost:     nine models for each class and method, and 19 passes of the network over Test.
Result:   on magnetic_tile the plain PatchCore loses ground under JPEG, dust and a sharp shadow most of all, and hardly
          any under gamma and defocus. Where something is lost, the bank built for drift wins much of it back, though
          no draw held these kinds.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from adtrack.evaluation.intervals import side
from adtrack.lab.cells import Cells
from adtrack.lab.drift import BUILT, PLAIN
from adtrack.lab.gain_lines import GAINED, GainLine, gain_lines, gains_frame
from adtrack.lab.moved import DEFECTS, HANDFULS, MOVED_METRICS, PHOTOS
from adtrack.lab.setup import Setup
from adtrack.lab.tables import HEADINGS, INTERVALS
from adtrack.lab.unseen_shifts import DRAWN, HELD_OUT, OTHER, STRONGER, measure_unseen_shifts
from adtrack.reporting.charts import Chart, Points, write_chart
from adtrack.reporting.table import Column, Table, difference_text, estimate_text, number_text
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "unseen_shifts"
GROUPS = {"drawn": (DRAWN, STRONGER), "held_out": (HELD_OUT,), "other": (OTHER,)}
TITLES = {
    "drawn": "The shift that was drawn, and a stronger one",
    "held_out": "Kinds of MVTec-Shift that the draws do without, alone",
    "other": "Kinds that MVTec-Shift does not have",
}
_NAMES = tuple(Column(name, number=False) for name in ("class", "method", "shift"))


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Measure all shifts; write tables and charts."""
    lines = gain_lines(measure_unseen_shifts(cells, setup))
    parts = {name: [line for line in lines if line.group in groups] for name, groups in GROUPS.items()}
    tables = [make(TITLES[name], part) for make in (gains, alarms) for name, part in parts.items()]
    write_report(NAME, gains_frame(lines), tables, folder)
    for method in setup.methods:
        for name, part in parts.items():
            shown = [line for line in part if line.method == method and line.class_name == lines[-1].class_name]
            write_chart(chart(TITLES[name], shown), folder, f"{NAME}_{method}_{name}")
    return tables


def gains(title: str, lines: Sequence[GainLine]) -> Table:
    """What is gained under some shifts."""
    columns = (
        *_NAMES,
        *map(Column, (f"{HEADINGS[GAINED]}\n{PLAIN}", "drop", f"{HEADINGS[GAINED]}\n{BUILT}", "gain")),
        *map(Column, ("share of the\ndrop won back", "share of the\ngain on Test-shift")),
    )
    rows = tuple(
        (
            *(line.class_name, line.method, line.words),
            estimate_text(line.plain.metrics[GAINED]),
            difference_text(line.drop),
            estimate_text(line.built.metrics[GAINED]),
            difference_text(line.gain),
            estimate_text(line.won_back, 2),
            estimate_text(line.kept, 2),
        )
        for line in lines
    )
    notes = (
        "On Test. The drop is the plain model's, from clean images. What is won back of it is told where these images "
        "show a drop, and its means are over such shifts alone: where nothing is lost, nothing can be won. A kind of "
        f"MVTec-Shift that is met alone is missing in the draws. {_vanished(lines)} {INTERVALS}"
    )
    return Table(title, columns, rows, notes)


def alarms(title: str, lines: Sequence[GainLine]) -> Table:
    """What both models' thresholds are worth under some shifts, before and after they are moved."""
    sides = (PLAIN, f"{PLAIN},\nmoved", BUILT, f"{BUILT},\nmoved")
    columns = (
        *_NAMES,
        *(Column(f"{HEADINGS[metric]}\n{side}") for metric in MOVED_METRICS for side in sides),
        *map(Column, ("promised", "refused")),
    )
    rows = tuple(
        (
            *(line.class_name, line.method, line.words),
            *(
                estimate_text(found[metric])
                for metric in MOVED_METRICS
                for side in (line.plain, line.built)
                for found in (side.metrics, side.moved)
            ),
            *(number_text(value, 2) for value in (line.built.promised, line.built.refused)),
        )
        for line in lines
    )
    notes = (
        f"On Test. “{PLAIN.capitalize()}” has the threshold of Val-clean, “{BUILT}” that of Val-clean and Val-shift "
        "together, both without a kind of MVTec-Shift that is met alone. A threshold is moved by the scores of "
        f"{PHOTOS} of the shifted images, {DEFECTS} of them defects, and judges the others: the mean of {HANDFULS} "
        "such handfuls, with the range of 95 % of them. What it promises is the share of false alarms on Val; the last "
        f"columns are those of the model {BUILT}. Dust is no defect: an alarm on a good part with dust is a false "
        f"alarm. {INTERVALS}"
    )
    return Table(f"{title}: thresholds", columns, rows, notes)


def _vanished(lines: Sequence[GainLine]) -> str:
    """A sentence that names the shifts under which something is lost and these images show no gain."""
    names = [
        f"{line.words} ({line.class_name}, {line.method})"
        for line in lines
        if line.group != DRAWN and line.lossy and side(line.gain) != 1
    ]
    if not names:
        return "Under every one of them that costs something, something is gained."
    return f"These cost something, and no gain is seen: {'; '.join(names)}."


def chart(title: str, lines: Sequence[GainLine]) -> Chart:
    """The AUROC of both models of one method under some shifts, which are called by the first of their words."""
    some = [line for line in lines if not line.words.startswith("mean of")]
    series = {
        PLAIN: [line.plain.metrics[GAINED] for line in some],
        BUILT: [line.built.metrics[GAINED] for line in some],
    }
    kind = Points([re.split(",| ×", line.words)[0] for line in some], series)
    return Chart(f"{title} ({some[0].class_name}, {some[0].method})", "shift", HEADINGS[GAINED], kind)


EXPERIMENT = Experiment(NAME, measure)
