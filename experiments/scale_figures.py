"""What sharing work out among processes and machines costs, as lines for the README and as a table of plans."""

from pathlib import Path

import pandas as pd

from adtrack.reporting.table import Column, Table
from adtrack.reporting.tables import markdown_table
from experiments.benchmarks.log import RESULTS, latest_runs

PLANS = RESULTS / "shards_plan.csv"
_COMMANDS = {"processes": "processes", "sharing": "sharing", "shared greedy k-centre": "shards"}
_STUDY = "a study"  # how the work of processes begins that is told; it needs no other name


def scale_lines(log: Path = RESULTS / "benchmarks.csv") -> str:
    """A line for each work in the latest run of every benchmark that shares work out. Empty if none was measured."""
    rows = pd.read_csv(log)
    runs = latest_runs(rows[rows["benchmark"].isin([*_COMMANDS])])
    told = [run for run in runs if run["benchmark"].iloc[0] != "processes" or run["work"].iloc[0].startswith(_STUDY)]
    if not told:
        return ""
    machines = ", ".join(dict.fromkeys(run["machine"].iloc[0].rpartition(", ")[0] for run in told))  # without threads
    names = dict.fromkeys(_COMMANDS[run["benchmark"].iloc[0]] for run in told)
    commands = ", ".join(f"`python -m experiments.benchmarks.{name}`" for name in names)
    return "".join(map(_line, told)) + f"\n({machines}; {commands})\n"


def _line(run: pd.DataFrame) -> str:
    first, *others = run.to_dict("records")
    beside = "".join(f"; {row['what']} {row['times ours']:.2f} × that" for row in others)
    what = f"{first['benchmark']}, {first['work']}" if first["benchmark"] != "processes" else first["work"]
    return f"- {what}: {first['what']} {first['seconds']:.3g} s{beside}\n"


def plan_table(file: Path = PLANS) -> str:
    """What so many patches would take on several numbers of machines. Empty if no plan was made."""
    if not file.exists():
        return ""
    plans = pd.read_csv(file)
    columns = tuple(Column(name) for name in plans.columns)
    cells = tuple(
        tuple(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in row)
        for row in plans.itertuples(index=False)
    )
    return f"{markdown_table(Table('', columns, cells, ''))}\n"
