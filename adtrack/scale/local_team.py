"""A team of processes of this machine.

Each has a pipe of its own. A queue that all of them share has a lock, and one that is killed while it holds that lock
would stop all others.

Libraries take seconds to load. One process loads them for all, while the first process is busy with something else, and
becomes the members by forks of itself. It does nothing but that: it has no threads whose locks a fork would share.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Generic

from adtrack.interrupts import never_ignored
from adtrack.progress import hand_over
from adtrack.scale.member import RESTARTS, Ending, Result, Say, Work, ending_of, lost
from adtrack.scale.signals import without_ctrl_c

_LOOK = 1.0  # seconds between two looks at what else is to be done
_THREADS = "OMP_NUM_THREADS"  # read when torch is loaded
_STOPPED = 130  # exit code
_began_in: set[int] = set()  # the process that has begun to load libraries for members, unless this one is a fork of it


def load_ahead(modules: Sequence[str], threads: int) -> None:
    """Begin to load these modules and what they import, for members of ``threads`` threads that come later."""
    if _starts().get_start_method() != "spawn":
        _began_in.add(os.getpid())
        forkserver.set_forkserver_preload(list(modules))
        with _surroundings_of_members(threads):
            forkserver.ensure_running()


def _starts() -> ForkServerContext | SpawnContext:
    """How members are started: by the process that has loaded libraries, or by new ones that load them themselves.

    These are needed where systems know nothing else, and in a fork of the first process, which cannot see whether the
    other process still lives.
    """
    if "forkserver" in multiprocessing.get_all_start_methods() and _began_in <= {os.getpid()}:
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def run_here(work: Work[Result], count: int, threads: int, say: Say, meanwhile: Callable[[], None]) -> list[Result]:
    """What ``count`` processes of ``threads`` threads each bring back, in the order of their numbers.

    ``meanwhile`` is called about every second. A process that is killed is started again. Whatever ends this call
    early, such as Ctrl-C or an error of one process, ends the others first: each is told to stop, and waited for.
    """
    members: list[_Member[Result]] = []
    try:
        with _surroundings_of_members(threads):
            for number in range(count):
                members.append(_Member(work, number))
        while at_work := [member for member in members if member.ending is None]:
            wait([place for member in at_work for place in (member.pipe, member.process.sentinel)], _LOOK)
            for member in at_work:
                if member.has_died(say):
                    with _surroundings_of_members(threads):
                        member.start_again(say)
                elif member.ending is not None:
                    member.ending.unpacked()  # an error ends all of them now
            meanwhile()
        return [member.ending.unpacked() for member in members if member.ending is not None]
    finally:
        _end(members)


class _Member(Generic[Result]):
    """One process of the team as the first process sees it. Once it is done, it has an ``ending``."""

    def __init__(self, work: Work[Result], number: int) -> None:
        self._work, self._number, self._restarts = work, number, 0
        self.ending: Ending[Result] | None = None
        self._start()

    def _start(self) -> None:
        starts = _starts()
        self.pipe, theirs = starts.Pipe(duplex=False)
        self.process = starts.Process(target=_member, args=(self._work, self._number, theirs, dict(os.environ)))
        self.process.start()
        theirs.close()  # the pipe ends with the process, then

    def has_died(self, say: Say) -> bool:
        """Take what the process has sent; whether it has come to its end without an ending."""
        died = not self.process.is_alive()  # before the look into the pipe, which then holds all that it has sent
        try:
            while self.ending is None and self.pipe.poll():
                message = self.pipe.recv()
                if isinstance(message, Ending):
                    self.ending = message
                else:
                    say(message)
        except (EOFError, OSError):  # it was killed, perhaps in the middle of a message
            self.process.join()
            died = True
        return died and self.ending is None

    def start_again(self, say: Say) -> None:
        """Put a new process in the place of one that was killed. TroubleError: that has happened too often."""
        code = self.process.exitcode or 0
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        if self._restarts == RESTARTS:
            raise lost(self._number, how)
        self._restarts += 1
        say(f"Worker {self._number + 1} was ended {how}, and is started again.")
        self.pipe.close()
        self._start()


def _end(members: Sequence[_Member[Result]]) -> None:
    """Have the processes that still work stop in their orderly way. A second Ctrl-C kills them."""
    for member in members:
        member.pipe.close()  # nobody reads it any more, and no process must wait for that
        if member.ending is None:
            member.process.terminate()
    try:
        for member in members:
            member.process.join()
    except KeyboardInterrupt:
        for member in members:
            member.process.kill()
        raise


@contextlib.contextmanager
def _surroundings_of_members(threads: int) -> Iterator[None]:
    """What a process must be started with: the number of its threads, unless the user asks for fewer, and no heed of
    Ctrl-C: the first process tells the others."""
    before = os.environ.get(_THREADS)
    asked = int(before) if before and before.isdecimal() else threads
    os.environ[_THREADS] = str(min(threads, asked))
    try:
        with without_ctrl_c():
            yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


def _member(work: Work[Result], number: int, pipe: Connection, environment: Mapping[str, str]) -> None:
    """The main function of a process of the team, to which the ``environment`` of the first process is new where that
    has changed since libraries were loaded."""
    os.environ.clear()
    os.environ.update(environment)
    if loaded := sys.modules.get("torch"):
        loaded.set_num_threads(int(environment[_THREADS]))
    signal.signal(signal.SIGTERM, _stop)
    never_ignored()
    threading.Thread(target=_stop_with_the_first, daemon=True).start()
    warnings.simplefilter("ignore")

    def say(text: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            pipe.send(text)

    hand_over(say)
    try:
        ending = ending_of(lambda: work(number, say))
    except KeyboardInterrupt:
        raise SystemExit(_STOPPED) from None
    with contextlib.suppress(OSError):
        pipe.send(ending)


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the orderly end is not to be interrupted
    raise KeyboardInterrupt


def _stop_with_the_first() -> None:
    """Stop this process when the one that has started it is gone."""
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os.kill(os.getpid(), signal.SIGTERM)
