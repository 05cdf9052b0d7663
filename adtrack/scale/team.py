"""A team of workers, whichever way they are brought about: as processes of this machine, or by a Ray cluster."""

import contextlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adtrack.scale.cluster import connected
from adtrack.scale.local_team import load_ahead, run_here
from adtrack.scale.member import Result, Say, Work
from adtrack.scale.ray_team import run_on_ray
from adtrack.scale.workers import Workers


@dataclass(frozen=True)
class Team:
    """Workers that are there to be used: how many, on which ``machines``, and in ``words`` what they are."""

    workers: Workers
    size: int
    machines: tuple[str, ...]
    words: str

    def run(self, work: Work[Result], count: int, say: Say, meanwhile: Callable[[], None]) -> list[Result]:
        """What ``count`` of the workers bring back, in the order of their numbers.

        Each does ``work(number, say)``, and what it says is said here. One that is killed begins its work again, so
        that must go on with what is there. ``meanwhile`` is called about every second. UserError, TroubleError: a
        worker has given up with it, or was killed too often; the others have stopped by then, as after Ctrl-C.
        """
        if self.workers.ray:
            return run_on_ray(work, count, say, meanwhile)
        return run_here(work, count, self.workers.threads, say, meanwhile)


def load_beside(workers: Workers, *modules: str) -> None:
    """Begin to load what a team of processes of this machine will need, while this process loads what it needs itself.

    ``team`` does so as well. To call this first, before anything that takes time, spares the processes a wait.
    """
    if not (workers.ray or workers.alone):
        load_ahead(modules, workers.threads)


@contextlib.contextmanager
def team(workers: Workers, *modules: str) -> Iterator[Team]:
    """The team that ``workers`` asks for, whose work needs these ``modules``. With Ray, the cluster is there until the
    end of the ``with`` block."""
    if workers.ray:
        with connected() as cluster:
            yield Team(workers, cluster.cores, cluster.machines, cluster.words)
    else:
        threads = workers.threads
        load_ahead(modules, threads)
        words = f"processes of this machine with {threads} thread{'s' * (threads > 1)} each"
        yield Team(workers, workers.count, (platform.node(),), words)
