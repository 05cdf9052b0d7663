"""Which figures does the README quote?

Those that experiments and benchmarks have left in experiments/results/: this script writes them between the marks of
its sections "What we found" and "How fast it is", so that no figure there is typed by hand.

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


def benchmarks_table(log: Path = RESULTS / "benchmarks.csv") -> str:
    """The latest run of every benchmark, a table for each machine: the seconds of one, and how many times as long the
    others took.

    What follows a semicolon is what that run found besides; without it, the same work is called the same.
    """
    if not log.exists():
        return ""
    return "\n".join(_machine_table(rows) for _, rows in pd.read_csv(log).groupby("machine", sort=False))


def _machine_table(rows: pd.DataFrame) -> str:
    cells = []
    latest = _latest_runs(rows)
    for group in latest:
        benchmark, work = group["benchmark"].iloc[-1], group["work"].iloc[-1]
        one = group[group["times ours"] == 1].iloc[0]
        others = group.drop(one.name)
        beside = ", ".join(f"{row['what']} {row['times ours']:.3g} ×" for _, row in others.iterrows())
        cells.append((benchmark, work, f"{one['what']} {one['seconds']:.3g} s", beside))
    columns = tuple(Column(name, number=False) for name in ("what", "work", "takes", "beside it"))
    table = Table("", columns, tuple(cells), "")
    made = pd.concat(latest)
    notes = "; ".join(dict.fromkeys(made["date"] + ": " + made["machine"] + "; " + made["versions"]))
    return f"{markdown_table(table)}\n\n{notes}.\n"


def _latest_runs(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of the last run of every work, the latest at the end: each run begins with the same row."""
    named = rows[["benchmark", "work", "what"]].replace(";.*", "", regex=True)
    runs = []
    for _, group in named.groupby(["benchmark", "work"]):
        begins = group.index[group["what"] == group["what"].iloc[0]]
        runs.append(rows.loc[group.loc[begins[-1] :].index])
    return sorted(runs, key=lambda run: run.index[0])


def memory_sentence(log: Path = RESULTS / "memory.csv") -> str:
    """What the largest bank that was measured took at its highest."""
    if not log.exists():
        return ""
    rows = pd.read_csv(log)
    work = rows["work"].iloc[-1]
    peaks = rows[rows["work"] == work].drop_duplicates("up to", keep="last").set_index("up to")["peak MB"]
    chosen, patches, dimensions = map(int, re.findall(r"\d+", work))
    return (
        f"A bank of {chosen:,} of {patches:,} patches in {dimensions} dimensions is built within "
        f"{peaks['bank'] / 1000:.2f} GB, {peaks.filter(like='libraries').iloc[0] / 1000:.2f} GB of that for "
        "the libraries (`python -m experiments.benchmarks.memory`).\n"
    )


def write(readme: Path = ROOT / "README.md") -> str:
    """The README with the figures of experiments/results/, as it is then on disk."""
    regimes = "\n".join(regimes_table(folder) for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()))
    text = readme.read_text(encoding="utf-8")
    for name, figures in {"figures": regimes, "benchmarks": f"{benchmarks_table()}\n{memory_sentence()}"}.items():
        text = re.sub(
            MARKS.format(name), lambda marks, new=figures: f"{marks[1]}\n{new}\n{marks[2]}", text, flags=re.DOTALL
        )
    readme.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    write()
