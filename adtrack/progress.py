"""Shows the progress of long work and the time that is left."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager
from typing import Protocol, Self, TypeVar

from tqdm import tqdm

from .naming import visible

Item = TypeVar("Item")
_FIRST, _PAUSE = 10.0, 30.0  # seconds before the first line in a log, and between two lines
_elsewhere: list[Callable[[str], None]] = []  # who shows the lines of this process, if another one does


class Progress(AbstractContextManager["Progress"], Protocol):
    """A display that counts the steps that are done: ``n`` so far."""

    n: int

    def update(self, n: int = 1) -> object:
        """Count another ``n`` steps as done."""


class _Silent:
    """Progress that is only counted."""

    n = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, n: int = 1) -> None:
        self.n += n


class _Lines:
    """Progress as a few lines of text, for a log, which keeps every line. Work that ends soon prints nothing."""

    def __init__(self, total: int | None, what: str) -> None:
        self.total, self.what, self.n = total, what, 0  # tqdm calls the count n as well
        self.began = time.monotonic()
        self.due, self.told = self.began + _FIRST, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type | None, *_: object) -> None:
        if self.told and failure is None:
            self._say(f"done in {duration(time.monotonic() - self.began)}")

    def update(self, n: int = 1) -> None:
        self.n += n
        now = time.monotonic()
        if now < self.due or self.n == self.total:
            return
        self.due, self.told = now + _PAUSE, True
        if self.total:
            left = (now - self.began) / self.n * (self.total - self.n)
            self._say(f"{self.n} of {self.total}, about {duration(left)} left")
        else:
            self._say(f"{self.n}")

    def _say(self, text: str) -> None:
        print(visible(f"{self.what}: {text}"), file=sys.stderr, flush=True)


def bar(total: int | None, what: str, unit: str = "image") -> Progress:
    """A display of progress, whose ``update`` must be called after each step.

    On a terminal it is a bar, which appears after two seconds. In a log it is a line after ten seconds, and then two
    lines a minute. A process whose lines another one shows has none.
    """
    if _elsewhere:
        return _Silent()
    if not sys.stderr.isatty():
        return _Lines(total, what)
    shown: Progress = tqdm(
        total=total,
        desc=what,
        unit=f" {unit}",
        delay=2.0,
        mininterval=0.2,
        leave=False,
        dynamic_ncols=True,
        file=sys.stderr,
    )
    return shown


def track(items: Iterable[Item], what: str, total: int | None = None, unit: str = "image") -> Iterator[Item]:
    """Yield ``items``, and show how many are done and how long the rest will take."""
    known = len(items) if total is None and isinstance(items, Sized) else total
    with bar(known, what, unit) as progress:
        for item in items:
            yield item
            progress.update()


def duration(seconds: float) -> str:
    """Seconds as text: ``45 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def say(text: str) -> None:
    """Print a line on what happened, above a progress bar if one is shown."""
    if _elsewhere:
        _elsewhere[-1](text)
    else:
        tqdm.write(visible(text), file=sys.stderr)


def above(say: Callable[[str], None]) -> Callable[[str], None]:
    """``say``, which prints above a progress bar if one is shown."""

    def said(text: str) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            say(text)

    return said


def hand_over(say: Callable[[str], None]) -> None:
    """Have another process show the lines of this one from now on, and its progress no longer."""
    _elsewhere.append(say)
