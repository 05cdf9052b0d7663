"""What the benchmarks have left in experiments/results/, as tables and sentences."""

import re
from pathlib import Path

import pandas as pd

from adtrack.reporting.table import Column, Table
from adtrack.reporting.tables import markdown_table

RESULTS = Path(__file__).resolve().parents[1] / "results"


def benchmarks_table(log: Path = RESULTS / "benchmarks.csv") -> str:
    """One table for each machine with the latest run of every benchmark.

    A row names the seconds of adtrack, and how many times as long the others took. Empty if nothing was measured.
    """
    if not log.exists():
        return ""
    return "\n".join(_machine_table(rows) for _, rows in pd.read_csv(log).groupby("machine", sort=False))


def _machine_table(rows: pd.DataFrame) -> str:
    cells = []
    latest = latest_runs(rows)
    for group in latest:
        benchmark, work = group["benchmark"].iloc[-1], group["work"].iloc[-1]
        one = group[group["times ours"] == 1].iloc[0]
        others = group.drop(one.name)
        beside = ", ".join(f"{row['what']} {row['times ours']:.3g} ×" for _, row in others.iterrows())
        cells.append((benchmark, work, f"{one['what']} {one['seconds']:.3g} s", beside))
    columns = tuple(Column(name, number=False) for name in ("what", "work", "takes", "others, times as long"))
    table = Table("", columns, tuple(cells), "")
    made = pd.concat(latest)
    notes = "; ".join(dict.fromkeys(made["date"] + ": " + made["machine"] + "; " + made["versions"]))
    return f"{markdown_table(table)}\n\n{notes}.\n"


def latest_runs(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of the latest run of each work, in the order of their dates.

    Each run begins with the same row. Two runs did the same work if their names agree up to a semicolon: what follows
    it is what a run found besides.
    """
    named = rows[["benchmark", "work", "what"]].replace(";.*", "", regex=True)
    runs = []
    for _, group in named.groupby(["benchmark", "work"]):
        begins = group.index[group["what"] == group["what"].iloc[0]]
        runs.append(rows.loc[group.loc[begins[-1] :].index])
    return sorted(runs, key=lambda run: run.index[0])


def memory_sentence(log: Path = RESULTS / "memory.csv") -> str:
    """How much memory the latest bank that was measured took at its peak. Empty if none was measured."""
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
