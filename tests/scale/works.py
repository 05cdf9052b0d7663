"""What members of teams do in tests. Their processes import it."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adtrack.errors import UserError
from adtrack.troubles import TroubleError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tens:
    """Gives ten times its number; member 1 kills itself as often as ``kills`` says, which it notes in ``folder``."""

    folder: Path
    kills: int = 0

    def __call__(self, number: int, say: Say) -> int:
        marks = list(self.folder.glob(f"{number}-*"))
        (self.folder / f"{number}-{len(marks)}").touch()
        say(f"{number} has {os.environ['OMP_NUM_THREADS']} threads")
        if number == 1 and len(marks) < self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return 10 * number


@dataclass(frozen=True)
class Waits:
    """Member 0 waits until it is told to stop, and notes that in ``folder``; member 1 then raises ``error``."""

    folder: Path
    error: str = ""

    def __call__(self, number: int, say: Say) -> int:
        if number == 1:
            while not (self.folder / "began").exists():
                time.sleep(0.01)
            if self.error:
                raise {"user": UserError, "trouble": TroubleError, "other": ZeroDivisionError}[self.error]("no cheese.")
            return 1
        try:
            (self.folder / "began").touch()
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            (self.folder / "stopped").touch()
            raise


@dataclass(frozen=True)
class Looks:
    """Gives the values of two variables of its environment, and its working directory."""

    first: str
    second: str

    def __call__(self, number: int, say: Say) -> tuple[str | None, str | None, Path]:
        return os.environ.get(self.first), os.environ.get(self.second), Path.cwd()


@dataclass(frozen=True)
class Begins:
    """Tells whether a module was loaded before it began, and whether Ctrl-C on a terminal cannot reach it."""

    module: str

    def __call__(self, number: int, say: Say) -> tuple[bool, bool]:
        return self.module in sys.modules, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
