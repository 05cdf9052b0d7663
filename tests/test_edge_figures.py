"""The README's sentence on exported models is of the latest run."""

from pathlib import Path

from experiments.edge_figures import edge_lines

HEAD = "benchmark,work,what,seconds,times ours,date,machine,versions\n"


def row(what: str, seconds: float, share: float) -> str:
    return f'an image on the edge,"CPU time, 1 thread",{what},{seconds},{share},2026-01-01,a machine,torch 2\n'


def test_the_latest_run_is_told_with_its_machine_and_command(tmp_path: Path) -> None:
    log = tmp_path / "benchmarks.csv"
    log.write_text(
        HEAD + row("torch", 9, 1) + row("onnx", 1, 0.1) + row("torch", 0.05, 1) + row("onnx-int8", 0.02, 0.4)
    )
    told = edge_lines(log)
    assert told.startswith("From file to score an image takes torch 50 ms, ONNX Runtime with 8 bits 20 ms (40 %) (CPU")
    assert "a machine; `python -m experiments.benchmarks.edge`" in told
    log.write_text(HEAD)
    assert edge_lines(log) == ""
