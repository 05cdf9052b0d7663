"""Which figures does the README quote?

Those that experiments have left in experiments/results/: this script writes them between the marks of its section "What
we found", so that no figure there is typed by hand.

Command:  python -m experiments.what_we_found
Cost:     none
Result:   README.md
"""

import json
import re
from pathlib import Path

import pandas as pd

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.render import Column, Table, markdown_table
from adtrack.reporting.tables import difference_text, estimate_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "experiments" / "results"
MARKS = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def estimate(row: pd.Series, name: str) -> Estimate:
    """A metric of a result with its interval."""
    return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])


def regimes_table(folder: Path) -> str:
    """The regimes of one data set."""
    rows = pd.read_csv(folder / "shift_regimes.csv")
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    columns = (
        *(Column(name, number=False) for name in ("class", "method", "regime")),
        *map(Column, ("image AUROC", "difference", "F1", "false alarms")),
    )
    cells = tuple(
        (
            *(row["class"], row["method"], row["regime"]),
            estimate_text(estimate(row, "image_auroc")),
            difference_text(estimate(row, "image_auroc_diff")),
            estimate_text(estimate(row, "f1")),
            estimate_text(estimate(row, "false_alarm_rate")),
        )
        for _, row in rows.iterrows()
    )
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    notes = f"`{about['command']}` (seed {about['seed']}, {about['device']}; {versions})."
    return f"{markdown_table(Table('', columns, cells, ''))}\n\n{notes}\n"


def write(readme: Path = ROOT / "README.md") -> str:
    """The README with the figures of experiments/results/, as it is then on disk."""
    figures = "\n".join(regimes_table(folder) for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()))
    text = MARKS.sub(lambda marks: f"{marks[1]}\n{figures}\n{marks[2]}", readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    write()
