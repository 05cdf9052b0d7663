"""Progress with the time left, for whatever takes longer than two seconds."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def bar(total: int | None, what: str, unit: str = "image") -> tqdm:
    """A progress bar that stays silent for the first two seconds.

    On a terminal it redraws itself; in a log file it writes a line every ten seconds at most.
    """
    interactive = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=what,
        unit=f" {unit}",
        delay=2.0,
        mininterval=0.2 if interactive else 10.0,
        leave=False if interactive else None,
        dynamic_ncols=interactive,
        file=sys.stderr,
    )


def track(items: Iterable[Item], what: str, total: int | None = None, unit: str = "image") -> Iterator[Item]:
    """Yield ``items`` and show how many have passed and how long the rest will take."""
    with bar(len(items) if total is None and hasattr(items, "__len__") else total, what, unit) as progress:
        for item in items:
            yield item
            progress.update()


def say(text: str) -> None:
    """Tell who waits, on a line of its own, what happened on the way."""
    tqdm.write(text, file=sys.stderr)
