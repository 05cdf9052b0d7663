"""Which figures do the README and the page of the experiments quote?

Those that experiments and benchmarks have left in experiments/results/. This script writes them between the marks of
both pages, so that no figure there is typed by hand: sentences into the README, the whole tables into
experiments/README.md.

Command:  python -m experiments.what_we_found
Cost:     none
Result:   README.md, experiments/README.md
"""

import json
import re
from pathlib import Path

import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.intervals import Estimate
from adtrack.lab.few_shot import METRIC, FewShotModel, few_shot_lines
from adtrack.reporting.table import Column, Table, difference_text, estimate_text
from adtrack.reporting.tables import markdown_table
from adtrack.verbs.experiments import few_shot
from experiments.benchmarks.log import RESULTS, benchmarks_table, memory_sentence
from experiments.benchmarks.overview import comparisons, speed_lines

ROOT = Path(__file__).resolve().parents[1]
MARKS = r"(<!-- {0} -->\n).*?(<!-- end of {0} -->)"


def estimate(row: pd.Series, name: str) -> Estimate:
    """A metric of a result with its interval."""
    return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])


def regimes_table(folder: Path) -> str:
    """The regimes of one data set."""
    rows = pd.read_csv(folder / "shift_regimes.csv")
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    columns = (
        *(Column(name, number=False) for name in ("class", "method", "regime")),
        *map(Column, ("image AUROC", "difference", "F1", "false alarms", "recall")),
    )
    cells = tuple(
        (
            *(row["class"], row["method"], row["regime"]),
            estimate_text(estimate(row, "image_auroc")),
            difference_text(estimate(row, "image_auroc_diff")),
            estimate_text(estimate(row, "f1")),
            estimate_text(estimate(row, "false_alarm_rate")),
            estimate_text(estimate(row, "recall")),
        )
        for _, row in rows.iterrows()
    )
    return f"{markdown_table(Table('', columns, cells, ''))}\n\n{how(about)}\n"


def how(about: dict) -> str:
    """The command that made a result, and where it ran."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return f"`{about['command']}` (seed {about['seed']}, {about['device']}; {versions})."


def few_shot_table(folder: Path = RESULTS / "magnetic_tile") -> str:
    """What models of few images do."""
    about = json.loads((folder / "few_shot.json").read_text(encoding="utf-8"))
    models = [
        FewShotModel(*row[:6], {name: row[f"{name}_{METRIC}"] for name in TEST_SETS})
        for _, row in pd.read_csv(folder / "few_shot.csv").iterrows()
    ]
    return f"{markdown_table(few_shot.table(few_shot_lines(models)))}\n\n{how(about)}\n"


def drift_lines(folder: Path = RESULTS / "magnetic_tile") -> str:
    """The README's lines on what drift costs, and what wins it back."""
    rows = pd.read_csv(folder / "shift_regimes.csv").set_index(["method", "regime"])

    def auroc(method: str, regime: str) -> str:
        return estimate_text(estimate(rows.loc[(method, regime)], "image_auroc"))

    def alarms(method: str, regime: str) -> str:
        return f"{100 * rows.loc[(method, regime), 'false_alarm_rate']:.0f} %"

    def recall(method: str, regime: str) -> str:
        return f"{100 * rows.loc[(method, regime), 'recall']:.0f} %"

    built, built_clean, adapted = "built for drift", "built for drift, clean images", "adapted without labels"
    return (
        f"- **Drift costs a lot.** PatchCore's image AUROC falls from {auroc('patchcore', 'clean reference')} to "
        f"{auroc('patchcore', 'none')},\n  PaDiM's from {auroc('padim', 'clean reference')} to "
        f"{auroc('padim', 'none')}.\n"
        "- **A threshold from shifted images cannot mend a ranking.** The AUROC stays. PatchCore's false alarms go "
        f"from\n  {alarms('patchcore', 'none')} of the good images to {alarms('patchcore', 'threshold-only')}, PaDiM's "
        f"from {alarms('padim', 'none')} to {alarms('padim', 'threshold-only')}; on clean images PatchCore has\n"
        f"  {alarms('patchcore', 'clean reference')}, PaDiM {alarms('padim', 'clean reference')}.\n"
        "- **A bank from shifted images wins a part back.** PatchCore comes to an AUROC of "
        f"{auroc('patchcore', 'full adaptation')}\n  and to {alarms('patchcore', 'full adaptation')} false alarms.\n"
        f"- **A bank built for drift keeps working.** It has an AUROC of {auroc('patchcore', built)} on shifted\n"
        f"  images and {auroc('patchcore', built_clean)} on clean ones. At one threshold for both, "
        f"{alarms('patchcore', built)} and\n  {alarms('patchcore', built_clean)} of the good images are false alarms, "
        f"and {recall('patchcore', built)} and {recall('patchcore', built_clean)} of the defects are found. PaDiM\n"
        f"  comes to {auroc('padim', built)} and {auroc('padim', built_clean)}.\n"
        "- **A handful of photos moves the threshold** (`adtrack adapt`). After 16 shifted ones, two of them with\n"
        f"  defects, this bank has {alarms('patchcore', adapted)} false alarms on the others, and finds "
        f"{recall('patchcore', adapted)} of the defects.\n"
    )


def blocks() -> dict[str, dict[str, str]]:
    """What stands between the marks: by page, by the name of the mark."""
    regimes = "\n".join(regimes_table(folder) for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()))
    return {
        "README.md": {"drift": drift_lines(), "speed": speed_lines(comparisons())},
        "experiments/README.md": {
            "figures": regimes,
            "few images": few_shot_table(),
            "benchmarks": f"{benchmarks_table()}\n{memory_sentence()}",
        },
    }


def write(root: Path = ROOT) -> None:
    """Bring the figures of both pages below ``root`` up to date."""
    for page, figures in blocks().items():
        text = (root / page).read_text(encoding="utf-8")
        for name, found in figures.items():
            marks = MARKS.format(name)
            text, count = re.subn(marks, lambda ends, new=found: f"{ends[1]}\n{new}\n{ends[2]}", text, flags=re.DOTALL)
            if count != 1:
                raise ValueError(f"{page} must have the marks of {name} once, but has them {count} times.")
        (root / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
