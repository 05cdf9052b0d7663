"""The processes that ``stream`` hands work to: some of this machine, or those of a Ray cluster."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from adtrack.scale.cluster import connected, ray_library
from adtrack.scale.workers import Workers

Item = TypeVar("Item")
Given = TypeVar("Given", contravariant=True)
Result = TypeVar("Result")

Work = Callable[[Iterable[Item]], Iterable[Result]]
Make = Callable[[int], Work[Item, Result]]  # of the number of threads that the work may use

_HANDFUL = 4  # items for each thread of a process: while one is read, the others are worked on
_LOOK = 5.0  # seconds between two looks at the size of a cluster, which may grow


class Died(Exception):
    """A process ended while it worked."""


class Pool(Protocol[Given, Result]):
    """Processes that take a ``handful`` of items at once; ``room`` handfuls keep them busy.

    ``die_together``: if one process dies, the work of all is lost and ``renew`` starts new ones.
    """

    handful: int
    die_together: bool

    @property
    def room(self) -> int: ...

    def submit(self, items: Sequence[Given]) -> Future[list[Result]]:
        """Hand out items."""
        ...

    def result(self, future: Future[list[Result]]) -> list[Result]:
        """What became of a finished handful. Died: its process ended; the work's own error otherwise."""
        ...

    def died(self, future: Future[list[Result]]) -> bool:
        """Whether the process of a finished handful ended."""
        ...

    def renew(self) -> None:
        """Start new processes."""
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
        self.pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")  # a fork would share locks that torch's threads may hold
        return ProcessPoolExecutor(self.workers.count, spawn, _begin, (self.make, self.workers.threads))

    def submit(self, items: Sequence[Item]) -> Future[list[Result]]:
        try:
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

    def died(self, future: Future[list[Result]]) -> bool:
        return isinstance(future.exception(), BrokenExecutor)

    def renew(self) -> None:
        self.close()
        self.pool = self._started()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


_held: dict[str, Any] = {}  # what a process keeps from one handful to the next


def _begin(make: Make[Any, Any], threads: int) -> None:
    """What a process of this machine does first. What ``make`` raises must reach the user, so it is called later."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one ends them
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _held["make"] = lambda: make(threads)


def _end_with_parent() -> None:
    """Where the process that hands out work is killed, nothing else would end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(items: Sequence[Any]) -> list[Any]:
    if "work" not in _held:
        _held["work"] = _held["make"]()
    return list(_held["work"](items))


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

    def died(self, future: Future[list[Result]]) -> bool:
        error = future.exception()
        own = self.ray.exceptions.RayTaskError
        return isinstance(error, self.ray.exceptions.RayError) and not isinstance(error, own)

    def renew(self) -> None:
        """Ray starts new processes by itself."""

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
