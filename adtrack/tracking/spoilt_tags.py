"""In the tracking UI anyone may edit or delete a run's tags: runs that lack one are left out and named."""

from collections.abc import Iterable, Iterator
from functools import cache

from mlflow.entities import Run

from adtrack.progress import say
from adtrack.tracking.tags import TRIAL

_DIGITS = 10  # no study has so many trials, and Python refuses numbers of thousands of digits, which a tag may have


def whole(runs: Iterable[Run], *names: str) -> Iterator[Run]:
    """The runs that have these tags, and in ``TRIAL`` a number; the others are left out and named."""
    for run in runs:
        lacking = spoilt(run, *names)
        if lacking:
            leave_out(run.info.run_id, " and ".join(lacking))
        else:
            yield run


def spoilt(run: Run, *names: str) -> list[str]:
    """Those of these tags that the run lacks, or whose value cannot be used."""
    return [name for name in names if not _is_sound(name, run.data.tags.get(name, ""))]


def _is_sound(name: str, value: str) -> bool:
    return value.isdecimal() and len(value) < _DIGITS if name == TRIAL else bool(value)


@cache  # a command reads its runs many times, and says so once
def leave_out(run_id: str, tags: str) -> None:
    """Say that a run is left out because of these tags."""
    say(f"Run {run_id} is left out: its {tags} has been edited or deleted. mlflow ui can put it back among its tags.")
