"""Are several processes that share the cores slower than one?

The same greedy orders, in one process one after the other and in several processes side by side, with threads that wait
as the command line lets them (asleep) and as torch does by itself (busy). The points are drawn at random; each order is
compared with the others, as its indices must not depend on who else is at work. Run it with OMP_NUM_THREADS unset.

\b
Command:  python -m experiments.benchmarks.processes [--processes 4] [--points 60000] [--busy]
Cost:     about a minute on 2 idle cores; with --busy several minutes.
Result:   experiments/results/benchmarks.csv
"""

import os
import subprocess
import sys
from collections.abc import Callable

import click

from experiments.benchmarks.common import report, seconds

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


@click.command(help=__doc__)
@click.option("--processes", default=4, show_default=True)
@click.option("--points", default=60_000, show_default=True)
@click.option("--busy", is_flag=True, help="Measure threads that stay busy while they wait as well.")
def main(processes: int, points: int, busy: bool) -> None:
    digests: set[str] = set()

    def work(orders: int, side_by_side: int, policy: str | None) -> Callable[[], object]:
        return lambda: digests.update(found(orders, side_by_side, points, policy))

    times = {}
    for name, policy in {"asleep": "PASSIVE", **({"busy": None} if busy else {})}.items():
        times[f"one process, threads wait {name}"] = seconds(work(processes, 1, policy))
        times[f"{processes} processes, threads wait {name}"] = seconds(work(1, processes, policy))
    assert len(digests) == 1, "the orders differ"
    report("processes", f"{processes} greedy orders of {points} points", times, "one process, threads wait asleep")


if __name__ == "__main__":
    main()
