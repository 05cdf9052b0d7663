"""Records which process works on a run, and ends runs whose process no longer exists."""

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
    """This process while it works on runs. It holds a file lock, which the system releases however the process ends."""

    def __init__(self) -> None:
        self._lock = FileLock(writable("workers") / f"{uuid.uuid4().hex}.lock")
        self._lock.acquire()
        self.name = f"{socket.gethostname()}|{self._lock.lock_file}"

    def close(self) -> None:
        """Release the lock. From now on, RUNNING runs that carry this worker's name count as left behind."""
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def is_gone(worker: str | None) -> bool:
    """Whether the worker of that name was a process on this machine that no longer runs."""
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
    """Make a worker that is closed at the end of the ``with`` block."""
    worker = Worker()
    try:
        yield worker
    finally:
        worker.close()


def end_left_behind(study: str) -> list[str]:
    """End those RUNNING runs of a study whose process no longer exists, and return their ids.

    A trial that has its objective becomes FINISHED, since it was complete, or had been opened again to be tested.
    All other runs become KILLED.
    """
    running = search_runs(f"tags.`{STUDY}` = {quoted(study)} and attributes.status = 'RUNNING'")
    return end_all([run for run in running if is_gone(run.data.tags.get(WORKER))])


def end_all(runs: Sequence[Run]) -> list[str]:
    """End these runs, whose process no longer exists, and return their ids (see ``end_left_behind``)."""
    client = MlflowClient()
    for run in runs:
        done = run.data.tags.get(ROLE) == "trial" and "objective" in run.data.metrics
        status = RunStatus.FINISHED if done else RunStatus.KILLED
        client.set_terminated(run.info.run_id, RunStatus.to_string(status))
    return [run.info.run_id for run in runs]


def end_silent(study: str, trial: int) -> None:
    """End the run of a trial whose process, on another machine, gives no sign of life. The trial does not count."""
    client, killed = MlflowClient(), RunStatus.to_string(RunStatus.KILLED)
    for run in search_runs(f"tags.`{STUDY}` = {quoted(study)} and tags.`{TRIAL}` = '{trial}'"):
        if run.info.status != RunStatus.to_string(RunStatus.FAILED):
            client.set_terminated(run.info.run_id, killed)


def end_killed(run_id: str) -> None:
    """End a run that does not count, if it still exists."""
    with contextlib.suppress(MlflowException):  # somebody may have deleted it
        MlflowClient().set_terminated(run_id, RunStatus.to_string(RunStatus.KILLED))


def hold_run(run_id: str, worker: Worker) -> None:
    """Make this run RUNNING and name ``worker`` as its worker. Another worker of the same run may have ended it."""
    MlflowClient().update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    MlflowClient().set_tag(run_id, WORKER, worker.name)
