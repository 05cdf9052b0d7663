"""Tags that runs are read by: in the tracking UI anyone may edit or delete them."""

from collections.abc import Iterable, Iterator
from functools import cache

from mlflow.entities import Run

from adtrack.progress import say

CLASS, STUDY, DIGEST, TRIAL = "adtrack.class", "adtrack.study", "adtrack.split_digest", "adtrack.trial"
MODEL = "adtrack.model"


def whole(runs: Iterable[Run], *names: str) -> Iterator[Run]:
    """The runs that have these tags, ``TRIAL`` as a number; the others are left out and named."""
    for run in runs:
        spoilt = [name for name in names if not _is_sound(name, run.data.tags.get(name, ""))]
        if spoilt:
            leave_out(run.info.run_id, " and ".join(spoilt))
        else:
            yield run


def _is_sound(name: str, value: str) -> bool:
    return value.isdecimal() if name == TRIAL else bool(value)


@cache  # a command reads its runs many times, and says so once
def leave_out(run_id: str, tags: str) -> None:
    """Say that a run is left out because of these tags."""
    say(f"Run {run_id} is left out: its {tags} has been edited or deleted. mlflow ui can put it back among its tags.")
