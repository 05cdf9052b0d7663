"""What does the greedy order cost when several machines share out the points, and what would a billion patches take?

The same order by one process and by the nodes of a Ray cluster, which are processes of this machine here: seconds, the
CPU seconds of the busiest worker, rounds, and the bytes of all that is told and answered, pickled as Ray sends it. Each
worker has one thread, so two on two idle cores are as good as two machines. To draw and encode the points is not
counted. They are drawn at random: mixtures of a few directions with noise, as patches are. The indices are compared.

With --plan a small order is measured here, and what follows from it for so many patches is printed and becomes a table
on the page of the experiments. With N patches of r numbers, k centres, S machines, and c centres a round:

    memory of a machine   N / S · (projected patch, its codes, three numbers of state, two indices)
                          + k · (vector and codes of a centre)
    rounds                k / c; three questions each
    bytes                 k / c · S · (what one holder hears and says in a round)
    seconds               k · N · (CPU seconds for a patch and a centre) / (S · cores) + 3 k / c · (latency)

c, the CPU seconds and the bytes are those measured. Bounds spare more work the more centres there are, so that the
seconds are an upper estimate for larger k; the first network pass over the images comes on top.

\b
Command:  python -m experiments.benchmarks.shards [--points 200000,1000000] [--dimensions 128] [--workers 2,4]
          python -m experiments.benchmarks.shards --plan 1e9
Cost:     some minutes on 2 idle cores; the plan takes half a minute.
Result:   experiments/results/benchmarks.csv; of a plan, experiments/results/shards_plan.csv
"""

import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import click
import pandas as pd
import torch
from torch import Tensor

from adtrack.detectors.coreset import growing_held_order
from adtrack.detectors.exact.holder import PointHolder
from adtrack.detectors.exact.plan import USUAL
from adtrack.detectors.exact.rounds import Answer, HeldHere, Holders
from adtrack.scale.actors import Actors
from experiments.benchmarks.common import report, values
from experiments.scale_figures import PLANS

_BLOCK, _DIRECTIONS, _NOISE = 1000, 12, 0.3
_QUESTIONS = 3  # of a round: who reaches the threshold, their vectors, the new centres
_LATENCY = 0.005  # seconds: a question to all machines of a cluster and back, a cautious guess


def drawn(first: int, stop: int, dimensions: int) -> Tensor:
    """The points from ``first`` up to ``stop``, whole blocks of them: float32 (n, D)."""
    mixture = torch.randn(_DIRECTIONS, dimensions, generator=torch.Generator().manual_seed(0))
    blocks = []
    for block in range(first // _BLOCK, stop // _BLOCK):
        draws = torch.Generator().manual_seed(1 + block)
        along = torch.randn(_BLOCK, _DIRECTIONS, generator=draws)
        blocks.append(along @ mixture + _NOISE * torch.randn(_BLOCK, dimensions, generator=draws))
    return torch.cat(blocks)


def holder(total: int, dimensions: int, count: int, number: int, workers: int) -> PointHolder:
    """What the worker with this number holds."""
    torch.set_num_threads(1)
    first, stop = (total // _BLOCK * place // workers * _BLOCK for place in (number, number + 1))
    return PointHolder(drawn(first, stop, dimensions), count, USUAL, first, total)


def cpu_seconds(_: PointHolder) -> float:
    """What this process has computed by now."""
    return time.process_time()


@dataclass
class Counted:
    """Holders, with what they are asked and answer counted in ``questions`` and in ``bytes``."""

    holders: Holders
    questions: int = 0
    bytes: int = 0

    def each(self, work: Callable[[PointHolder], Answer]) -> Iterator[Answer]:
        self.questions += 1
        answers: Iterable[Answer] = self.holders.each(work)
        heard = len(pickle.dumps(work))
        for answer in answers:
            self.bytes += heard + len(pickle.dumps(answer))
            yield answer


@dataclass(frozen=True)
class Measured:
    """An order, the seconds it took, the CPU seconds of the busiest worker, questions, and bytes exchanged."""

    order: Tensor
    seconds: float
    cpu: float
    questions: int
    bytes: int

    @property
    def rounds(self) -> int:
        return self.questions // _QUESTIONS


def shared_order(holders: Holders, total: int, count: int) -> Measured:
    """The order of points that are held already."""
    counted = Counted(holders)
    before = list(holders.each(cpu_seconds))
    started = time.perf_counter()
    *_, order = growing_held_order(counted, total, count, seed=0)
    taken = time.perf_counter() - started
    cpu = max(after - was for after, was in zip(holders.each(cpu_seconds), before, strict=True))
    return Measured(order, taken, cpu, counted.questions, counted.bytes)


def on_a_cluster(total: int, dimensions: int, count: int, workers: int) -> Measured:
    """The order by so many nodes of a cluster in this machine."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(workers - 1):
            cluster.add_node(num_cpus=1)
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        return shared_order(Actors(partial(holder, total, dimensions, count), workers), total, count)
    finally:
        ray.shutdown()
        cluster.shutdown()


def compare(total: int, dimensions: int, fraction: float, workers: tuple[int, ...]) -> None:
    """Time one process, and clusters of so many workers."""
    count = round(fraction * total)
    alone = shared_order(HeldHere((holder(total, dimensions, count, 0, 1),)), total, count)
    times = {"one process": alone.seconds, "one process, its CPU": alone.cpu}
    for number in workers:
        measured = on_a_cluster(total, dimensions, count, number)
        assert measured.order.equal(alone.order), "the orders differ"
        said = f"{measured.rounds} rounds, {measured.bytes / 1e6:.0f} MB"
        times[f"{number} workers, {said}"] = measured.seconds
        times[f"{number} workers, CPU of the busiest"] = measured.cpu
    report("shared greedy k-centre", f"{total} × {dimensions}, {count} centres", times, "one process")


@dataclass(frozen=True)
class Plan:
    """What an order of ``centres`` of ``patches`` takes on so many machines; the module says how it follows."""

    patches: float
    centres: float
    machines: int
    cores: int
    dimensions: int
    centres_a_round: float
    cpu: float  # seconds for a patch and a centre
    heard_and_said: float  # bytes of one holder in a round

    @property
    def rounds(self) -> float:
        return self.centres / self.centres_a_round

    @property
    def gigabytes(self) -> float:
        """The memory of a machine."""
        codes = self.dimensions + 8
        patch, centre = 4 * self.dimensions + codes + 3 * 8 + 2 * 8, 4 * self.dimensions + codes
        return (self.patches / self.machines * patch + self.centres * centre) / 1e9

    @property
    def exchanged(self) -> float:
        """Gigabytes in all."""
        return self.rounds * self.machines * self.heard_and_said / 1e9

    @property
    def hours(self) -> float:
        computed = self.centres * self.patches * self.cpu / (self.machines * self.cores)
        return (computed + _QUESTIONS * self.rounds * _LATENCY) / 3600


def plans(patches: float, points: int, dimensions: int, cores: int) -> Iterator[Plan]:
    """Plans for several numbers of centres and machines, from an order of ``points`` that is measured now."""
    workers, threads, count = 2, torch.get_num_threads(), points // 200  # few of many, as in a large bank
    held = HeldHere(tuple(holder(points, dimensions, count, number, workers) for number in range(workers)))
    measured = shared_order(held, points, count)
    torch.set_num_threads(threads)
    a_round = count / measured.rounds
    cpu, heard_and_said = measured.cpu / (points * count), measured.bytes / measured.rounds / workers
    for fraction in (1e-5, 1e-4, 1e-3):
        for machines in (16, 64, 256):
            yield Plan(patches, fraction * patches, machines, cores, dimensions, a_round, cpu, heard_and_said)


@click.command(help=__doc__)
@click.option("--points", default="200000,1000000", show_default=True, help="Whole thousands.")
@click.option("--dimensions", default=128, show_default=True)
@click.option("--fraction", default=0.01, show_default=True)
@click.option("--workers", default="2,4", show_default=True)
@click.option("--plan", type=float, help="Print what so many patches would take.")
@click.option("--cores", default=16, show_default=True, help="Cores of a machine, for --plan.")
def main(points: str, dimensions: int, fraction: float, workers: str, plan: float | None, cores: int) -> None:
    sizes = values(points, int, "points")
    if plan is None:
        for total in sizes:
            compare(total, dimensions, fraction, values(workers, int, "workers"))
        return
    table = plan_rows(plans(plan, sizes[0], dimensions, cores))
    table.to_csv(PLANS, index=False)
    click.echo(f"{plan:g} patches of {dimensions} numbers, machines of {cores} cores; measured on {sizes[0]} points")
    click.echo(table.to_string(index=False))


def plan_rows(made: Iterable[Plan]) -> pd.DataFrame:
    """Plans as a table, its figures with four digits."""
    rows = [
        {
            "patches": one.patches,
            "centres": one.centres,
            "machines": one.machines,
            "cores each": one.cores,
            "GB a machine": one.gigabytes,
            "rounds": one.rounds,
            "GB exchanged": one.exchanged,
            "hours": one.hours,
        }
        for one in made
    ]
    return pd.DataFrame(rows).map(lambda value: float(f"{value:.4g}"))


if __name__ == "__main__":
    main()
