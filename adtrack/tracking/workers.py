"""Which processes work on runs, and how runs are ended whose process has gone."""

import contextlib
import socket
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus
from mlflow.exceptions import MlflowException

from adtrack.tracking.locks import writable
from adtrack.tracking.store import quoted, search_runs
from adtrack.tracking.tags import ROLE, STUDY, TRIAL, WORKER


class Worker:
    """This process while it works on runs. It holds a lock that the system releases however the process ends."""

    def __init__(self) -> None:
        self._lock = FileLock(writable("workers") / f"{uuid.uuid4().hex}.lock")
        self._lock.acquire()
        self.name = f"{socket.gethostname()}|{self._lock.lock_file}"

    def close(self) -> None:
        """Give up the lock. From now on, runs that carry this worker's name and are RUNNING count as left behind."""
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def is_gone(worker: str | None) -> bool:
    """Whether the worker of that name was a process of this machine that no longer runs."""
    host, _, file = (worker or "").partition("|")
    if host != socket.gethostname() or not file:
        return False
    if not Path(file).is_file():
        return True
    try:
        with FileLock(file, timeout=0):
            return True
    except (Timeout, OSError):
        return False


@contextlib.contextmanager
def working() -> Iterator[Worker]:
    """A Worker for the length of a ``with`` block."""
    worker = Worker()
    try:
        yield worker
    finally:
        worker.close()


def end_left_behind(study: str) -> list[str]:
    """End the study's runs that are RUNNING although their process has gone; returns their ids.

    A trial that has its objective becomes FINISHED: it was complete, or it had been opened again to be tested.
    """
    running = search_runs(f"tags.`{STUDY}` = {quoted(study)} and attributes.status = 'RUNNING'")
    return end_all([run for run in running if is_gone(run.data.tags.get(WORKER))])


def end_all(runs: Sequence[Run]) -> list[str]:
    """End runs whose process has gone, as ``end_left_behind`` does; returns their ids."""
    client = MlflowClient()
    for run in runs:
        done = run.data.tags.get(ROLE) == "trial" and "objective" in run.data.metrics
        status = RunStatus.FINISHED if done else RunStatus.KILLED
        client.set_terminated(run.info.run_id, RunStatus.to_string(status))
    return [run.info.run_id for run in runs]


def end_silent(study: str, trial: int) -> None:
    """End the run of a trial whose process was on another machine and has fallen silent; it does not count."""
    client, killed = MlflowClient(), RunStatus.to_string(RunStatus.KILLED)
    for run in search_runs(f"tags.`{STUDY}` = {quoted(study)} and tags.`{TRIAL}` = '{trial}'"):
        if run.info.status != RunStatus.to_string(RunStatus.FAILED):
            client.set_terminated(run.info.run_id, killed)


def end_killed(run_id: str) -> None:
    """End a run that does not count."""
    with contextlib.suppress(MlflowException):  # somebody has deleted it
        MlflowClient().set_terminated(run_id, RunStatus.to_string(RunStatus.KILLED))


def hold_run(run_id: str, worker: Worker) -> None:
    """Make this run RUNNING by ``worker``, in case another worker that shared the run has ended it meanwhile."""
    MlflowClient().update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    MlflowClient().set_tag(run_id, WORKER, worker.name)
