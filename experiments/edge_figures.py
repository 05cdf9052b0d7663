"""What experiments.benchmarks.edge has found, as a sentence for the README."""

from pathlib import Path

import pandas as pd

from experiments.benchmarks.log import RESULTS, latest_runs

BENCHMARK = "an image on the edge"
_NAMES = {
    "torch": "torch",
    "onnx": "ONNX Runtime",
    "openvino": "OpenVINO",
    "onnx-int8": "ONNX Runtime with 8 bits",
    "openvino-int8": "OpenVINO with 8 bits",
}


def edge_lines(log: Path = RESULTS / "benchmarks.csv") -> str:
    """How long an image takes by each engine, in the latest run. Empty if none was measured."""
    rows = pd.read_csv(log)
    runs = latest_runs(rows[rows["benchmark"] == BENCHMARK])
    if not runs:
        return ""
    run = runs[-1]
    first, *others = [(_NAMES[row["what"]], 1000 * row["seconds"], row["times ours"]) for _, row in run.iterrows()]
    clock = "" if run["work"].iloc[-1].startswith("CPU") else " --clock wall"
    shares = [f"{name} {taken:.0f} ms ({100 * share:.0f} %)" for name, taken, share in others]
    return (
        f"From file to score an image takes {first[0]} {first[1]:.0f} ms, {', '.join(shares)} ({run['work'].iloc[-1]}; "
        f"{run['machine'].iloc[-1]}; `python -m experiments.benchmarks.edge{clock}`).\n"
    )
