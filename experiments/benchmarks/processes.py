"""Are several processes that share the cores slower than one?

First the same greedy orders, in one process one after the other and in several processes side by side, with threads
that wait as the command line lets them (asleep) and as torch does by itself (busy). The points are drawn at random;
each order is compared with the others, as its indices must not depend on who else is at work. Then one study of a class
of the demo data, by one process and by the workers of --workers in turn, --pairs times, with an empty cache each. All
cells of its space are tried and none is pruned, so that the trials are the same whoever carries them out: their
objectives are compared. Run it with OMP_NUM_THREADS unset.

\b
Command:  python -m experiments.benchmarks.processes [--workers 4] [--points 60000] [--busy] [--study-only] [--pairs 5]
Cost:     eight minutes on 2 idle cores; with --busy several more.
Result:   experiments/results/benchmarks.csv
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pandas as pd

from adtrack.data.demo import data_root
from experiments.benchmarks.common import report, seconds

SPACE = {"layers": "layer2,layer2+layer3", "patch_size": "1,3", "coreset_fraction": "0.01,0.05,0.1"}
_FIXED = {"smooth": "0", "augment": "0", "standardise": "0", "score_top": "0"}
_WORK = """
import hashlib, sys, torch
from adtrack.detectors.coreset import greedy_order
points = torch.randn(int(sys.argv[2]), 16, generator=torch.Generator().manual_seed(0))
for _ in range(int(sys.argv[1])):
    order = greedy_order(points, len(points) // 20, start=0, projection=None)
print(hashlib.sha256(order.numpy().tobytes()).hexdigest())
"""


def found(orders: int, processes: int, points: int, policy: str | None) -> set[str]:
    """The digests of the orders of ``processes`` processes that compute ``orders`` orders each, side by side."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if policy is None else {"OMP_WAIT_POLICY": policy}
    command = [sys.executable, "-c", _WORK, str(orders), str(points)]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    printed = {process.communicate()[0].strip() for process in started}
    assert not any(process.returncode for process in started), "a process has failed"
    return printed


def study(data: Path, class_name: str, workers: int, place: Path, asked: tuple[str, ...] = ()) -> dict[str, float]:
    """The objectives of a study's trials by their cells. So many workers carry it out, with all that they keep in
    ``place``; ``asked`` are further options."""
    trials = math.prod(len(values.split(",")) for values in SPACE.values())
    space = [f"--space-{key.replace('_', '-')}={values}" for key, values in (SPACE | _FIXED).items()]
    command = [sys.executable, "-m", "adtrack", "tune", "--class", class_name, "--data", str(data.absolute()), *space]
    command += ["--backbone", "resnet18", "--weights", "random", "--sampler", "grid", "--pruner", "none"]
    command += ["--trials", str(trials), "--workers", str(workers), *asked]
    variables = os.environ | {"ADTRACK_CACHE": str(place / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{place}/mlflow.db"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, cwd=place, env=variables, check=True, **quiet)
    (table,) = place.glob("mlruns/*/*/artifacts/tables/best_trials.csv")
    rows = pd.read_csv(table)
    cells = rows[[*SPACE]].astype(str).agg(" ".join, axis=1)
    return dict(zip(cells, rows["objective"], strict=True))


def time_orders(processes: int, points: int, busy: bool) -> None:
    """Time the greedy orders."""
    digests: set[str] = set()

    def work(orders: int, side_by_side: int, policy: str | None) -> Callable[[], object]:
        return lambda: digests.update(found(orders, side_by_side, points, policy))

    times = {}
    for name, policy in {"asleep": "PASSIVE", **({"busy": None} if busy else {})}.items():
        times[f"one process, threads wait {name}"] = seconds(work(processes, 1, policy))
        times[f"{processes} processes, threads wait {name}"] = seconds(work(1, processes, policy))
    assert len(digests) == 1, "the orders differ"
    report("processes", f"{processes} greedy orders of {points} points", times, "one process, threads wait asleep")


def _note(objectives: list[dict[str, float]], data: Path, workers: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        objectives.append(study(data, "zipper", workers, Path(place)))


def time_study(workers: int, pairs: int) -> None:
    """Time the study: the medians of so many pairs, of which every other one begins with the workers."""
    data, objectives = data_root("demo", "zipper"), []
    counts = {"one process": 1, f"{workers} workers": workers}
    times: dict[str, list[float]] = {name: [] for name in counts}
    for pair in range(pairs):
        for name in list(counts)[:: 1 if pair % 2 == 0 else -1]:
            times[name].append(seconds(partial(_note, objectives, data, counts[name])))
    assert all(found == objectives[0] for found in objectives), "the trials differ"
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    report("processes", f"a study of {len(objectives[0])} trials of zipper, median of {pairs}", medians, "one process")


@click.command(help=__doc__)
@click.option("--workers", default=4, show_default=True)
@click.option("--points", default=60_000, show_default=True)
@click.option("--busy", is_flag=True, help="Measure threads that stay busy while they wait as well.")
@click.option("--study-only", is_flag=True, help="Measure the study alone.")
@click.option("--pairs", default=5, show_default=True, help="How often the study is measured each way.")
def main(workers: int, points: int, busy: bool, study_only: bool, pairs: int) -> None:
    if not study_only:
        time_orders(workers, points, busy)
    time_study(workers, pairs)


if __name__ == "__main__":
    main()
