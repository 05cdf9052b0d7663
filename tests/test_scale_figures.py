"""The README's lines on shared work are of the latest runs; the plan is a table."""

from pathlib import Path

from experiments.benchmarks.shards import Plan, plan_rows
from experiments.scale_figures import plan_table, scale_lines

HEAD = "benchmark,work,what,seconds,times ours,date,machine,versions\n"


def row(benchmark: str, what: str, seconds: float, share: float) -> str:
    return f'{benchmark},a study of 12 trials,{what},{seconds},{share},2026-01-01,"a machine, 2 threads",torch 2\n'


def test_the_latest_run_is_told_with_its_machine_and_command(tmp_path: Path) -> None:
    log = tmp_path / "benchmarks.csv"
    older, newer = (row("processes", "one process", one, 1) for one in (9, 2))
    other = row("coreset", "one process", 7, 1)
    log.write_text(
        HEAD + older + row("processes", "4 workers", 9, 1) + other + newer + row("processes", "4 workers", 3, 1.5)
    )
    line, _, source = scale_lines(log).splitlines()
    assert line == "- a study of 12 trials: one process 2 s; 4 workers 1.50 × that"
    assert source.startswith("(a machine; `python -m experiments.benchmarks.processes`")
    log.write_text(HEAD + other)
    assert scale_lines(log) == ""


def test_a_plan_is_a_table(tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    assert plan_table(file) == ""
    plan_rows([Plan(1e9, 1e5, 64, 16, 128, 25.0, 1e-11, 3000.0)]).to_csv(file, index=False)
    table = plan_table(file)
    assert "| 1,000,000,000 |" in table and "| 4,000 |" in table  # rounds: 100,000 centres, 25 in each
