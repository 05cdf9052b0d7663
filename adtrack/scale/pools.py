"""The processes that ``stream`` hands work to: some of this machine, or those of a Ray cluster."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from multiprocessing.connection import Connection
from typing import Any, Generic, Protocol, TypeVar

from adtrack.errors import UserError
from adtrack.scale.cluster import connected, ray_library
from adtrack.scale.signals import without_ctrl_c
from adtrack.scale.workers import Workers

Item = TypeVar("Item")
Given = TypeVar("Given", contravariant=True)
Result = TypeVar("Result")

Work = Callable[[Iterable[Item]], Iterable[Result]]
Make = Callable[[int], Work[Item, Result]]  # of the number of threads that the work may use

_SPAWN = multiprocessing.get_context("spawn")  # a fork would share locks that torch's threads may hold
_HANDFUL = 4  # items for each thread of a process: while one is read, the others are worked on
_LOOK = 5.0  # seconds between two looks at the size of a cluster, which may grow


class Died(Exception):
    """A process ended while it worked."""


class Pool(Protocol[Given, Result]):
    """Processes that take a ``handful`` of items at once; ``room`` handfuls keep them busy.

    ``die_together``: if one process dies, the work of all is lost.
    """

    handful: int
    die_together: bool

    @property
    def room(self) -> int: ...

    def submit(self, items: Sequence[Given]) -> Future[list[Result]]:
        """Hand out items."""
        ...

    def finished(self, running: Collection[Future[list[Result]]]) -> set[Future[list[Result]]]:
        """Those that are finished, as soon as one is. There are new processes then for those that have died."""
        ...

    def result(self, future: Future[list[Result]]) -> list[Result]:
        """What became of a finished handful. Died: its process ended; the work's own error otherwise."""
        ...


@contextlib.contextmanager
def pool_of(make: Make[Item, Result], workers: Workers, gpu: bool) -> Iterator[Pool[Item, Result]]:
    """A pool whose processes end with the block."""
    if workers.ray:
        with connected(), contextlib.closing(_Cluster(make, gpu)) as cluster:
            yield cluster
    else:
        with contextlib.closing(_Processes(make, workers)) as processes:
            yield processes


class _Processes(Generic[Item, Result]):
    """Processes of this machine, which share its cores."""

    die_together = True

    def __init__(self, make: Make[Item, Result], workers: Workers) -> None:
        self.make, self.workers = make, workers
        self.handful, self.room = _HANDFUL * workers.threads, 2 * workers.count
        self._start()

    def _start(self) -> None:
        # Processes start when they are needed, so their end of the pipe is kept here, too.
        self.theirs, self.ours = _SPAWN.Pipe(duplex=False)
        begin = self.make, self.workers.threads, self.theirs
        self.pool = ProcessPoolExecutor(self.workers.count, _SPAWN, _begin, begin)

    def submit(self, items: Sequence[Item]) -> Future[list[Result]]:
        try:
            with without_ctrl_c():
                return self.pool.submit(_work, list(items))
        except BrokenExecutor as error:  # a process died while it had nothing to do
            failed: Future[list[Result]] = Future()
            failed.set_exception(error)
            return failed

    def result(self, future: Future[list[Result]]) -> list[Result]:
        try:
            return future.result()
        except BrokenExecutor as error:
            raise Died from error

    def finished(self, running: Collection[Future[list[Result]]]) -> set[Future[list[Result]]]:
        done = wait(running, return_when=FIRST_COMPLETED).done
        if any(isinstance(future.exception(), BrokenExecutor) for future in done):
            done = wait(running).done
            self.close()
            self._start()
        return done

    def close(self) -> None:
        """End the processes once each has done the item that it is at."""
        self.ours.close()
        self.theirs.close()
        self.pool.shutdown(cancel_futures=True)


_held: dict[str, Any] = {}  # what a process keeps from one handful to the next


def _begin(make: Make[Any, Any], threads: int, pipe: Connection) -> None:
    """What a process of this machine does first. What ``make`` raises must reach the user, so it is called later."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    _held["make"] = lambda: make(threads)


def _end_with(pipe: Connection) -> None:
    """Stop after the next result once the process that hands out work has closed its end of the pipe; end at once if it
    was killed. One that ended in the middle of its answer would have the other one wait for the rest."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv_bytes()
    _held["stopped"] = True
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(items: Sequence[Any]) -> list[Any]:
    if "work" not in _held:
        _held["work"] = _held["make"]()
    results = []
    for result in _held["work"](items):
        results.append(result)
        if "stopped" in _held:  # nobody waits for more
            break
    return results


class _Cluster(Generic[Item, Result]):
    """Processes of a Ray cluster, one for each core or graphics card, also of machines that join later.

    Ray gives a task to any process that is free, and a process keeps what the first task of this work has made. Unlike
    an actor, which belongs to one machine, a task waits for no machine that is gone.
    """

    die_together = False
    handful = _HANDFUL

    def __init__(self, make: Make[Item, Result], gpu: bool) -> None:
        self.ray = ray_library()
        self.kind = "GPU" if gpu else "CPU"
        if gpu and not self.ray.cluster_resources().get("GPU"):
            raise UserError(
                "a cluster must have a graphics card where the device is one, but the Ray cluster has none.",
                "--device cpu works on its processors.",
            )
        self.made = self.ray.put(make), uuid.uuid4().hex
        # What is lost is done again by ``stream``, which gives up on an item that kills one process after the other.
        self.task = self.ray.remote(num_cpus=1, num_gpus=int(gpu), max_retries=0)(_work_elsewhere)
        self.refs: dict[Future[list[Result]], Any] = {}
        self.looked, self.size = -_LOOK, 1

    @property
    def room(self) -> int:
        if time.monotonic() - self.looked >= _LOOK:
            self.looked = time.monotonic()
            self.size = max(1, int(self.ray.cluster_resources().get(self.kind, 0)))
        return 2 * self.size

    def submit(self, items: Sequence[Item]) -> Future[list[Result]]:
        ref = self.task.remote(*self.made, list(items))
        future: Future[list[Result]] = ref.future()
        self.refs[future] = ref
        return future

    def result(self, future: Future[list[Result]]) -> list[Result]:
        del self.refs[future]
        try:
            return future.result()
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, self.ray.exceptions.RayError):  # what the task was given went with a machine
                raise Died from error
            raise error.cause from None
        except self.ray.exceptions.RayError as error:
            raise Died from error

    def finished(self, running: Collection[Future[list[Result]]]) -> set[Future[list[Result]]]:
        return wait(running, return_when=FIRST_COMPLETED).done  # Ray starts new processes by itself

    def close(self) -> None:
        for ref in self.refs.values():
            with contextlib.suppress(Exception):  # the cluster may be gone
                self.ray.cancel(ref)


def _work_elsewhere(make: Make[Any, Any], stream: str, items: Sequence[Any]) -> list[Any]:
    if stream not in _held:
        warnings.simplefilter("ignore")
        _held.clear()
        _held[stream] = make(1)
    return list(_held[stream](items))
