"""What sharing work out among processes and machines costs, as lines for the README and as a table of plans."""

from pathlib import Path

import pandas as pd

from adtrack.reporting.table import Column, Table
from adtrack.reporting.tables import markdown_table
from experiments.benchmarks.log import RESULTS, latest_runs

PLANS = RESULTS / "shards_plan.csv"
_COMMANDS = {"processes": "processes", "sharing": "sharing", "shared greedy k-centre": "shards"}


def scale_lines(log: Path = RESULTS / "benchmarks.csv") -> str:
    """A line for each work in the latest run of every benchmark that shares work out. Empty if none was measured."""
    rows = pd.read_csv(log)
    return "".join(_line(run) for run in latest_runs(rows[rows["benchmark"].isin([*_COMMANDS])]))


def _line(run: pd.DataFrame) -> str:
    first, *others = [(row["what"], row["seconds"], row["times ours"]) for _, row in run.iterrows()]
    beside = "; ".join(f"{what}: {taken:.3g} s ({share:.2f} ×)" for what, taken, share in others)
    command = _COMMANDS[run["benchmark"].iloc[0]]
    return (
        f"- {run['work'].iloc[-1]}: {first[0]} {first[1]:.3g} s; {beside} ({run['machine'].iloc[-1]}; "
        f"`python -m experiments.benchmarks.{command}`).\n"
    )


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
