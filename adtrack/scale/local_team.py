"""A team of processes of this machine.

Each has a pipe of its own. A queue that all of them share has a lock, and one that is killed while it holds that lock
would stop all others.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Generic

from adtrack.progress import hand_over
from adtrack.scale.member import RESTARTS, Ending, Result, Say, Work, ending_of, lost
from adtrack.scale.signals import without_ctrl_c

_SPAWN = multiprocessing.get_context("spawn")
_LOOK = 1.0  # seconds between two looks at what else is to be done
_THREADS = "OMP_NUM_THREADS"  # read when torch is loaded
_STOPPED = 130  # exit code


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
        self.pipe, theirs = _SPAWN.Pipe(duplex=False)
        self.process = _SPAWN.Process(target=_member, args=(self._work, self._number, theirs))
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


def _member(work: Work[Result], number: int, pipe: Connection) -> None:
    """The main function of a process of the team."""
    signal.signal(signal.SIGTERM, _stop)
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
