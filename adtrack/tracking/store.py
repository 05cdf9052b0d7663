"""Which tracking store is used, and who is at work in it."""

import contextlib
import hashlib
import logging
import os
import socket
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import mlflow
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import RunStatus

from adtrack.cache import cache_folder
from adtrack.errors import UserError

EXPERIMENT = "adtrack"
WORKER_TAG = "adtrack.worker"


def open_store() -> str:
    """Point MLflow to the store and make sure that it exists; returns its URI.

    MLFLOW_TRACKING_URI decides, else ``mlflow.db`` in the working directory. A new SQLite file is laid out by one
    process at a time: several that start together would stumble over each other's tables.
    """
    _quieten()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    try:
        with one_at_a_time(uri):
            mlflow.set_tracking_uri(uri)
            if not _experiment_is_given():
                mlflow.set_experiment(EXPERIMENT)
            else:
                MlflowClient().search_experiments(max_results=1)
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, HTTP and file errors alike: the store is not to be had
        raise UserError(
            f"the tracking store must be reachable and writable, but {without_password(uri)} is not ({error}).",
            "check MLFLOW_TRACKING_URI, or unset it to use mlflow.db in the working directory.",
        ) from error
    return uri


def _experiment_is_given() -> bool:
    # Under "mlflow run" the run exists already, and with it its experiment.
    return any(os.environ.get(name) for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"))


@contextlib.contextmanager
def one_at_a_time(uri: str) -> Iterator[None]:
    """Let one process of this machine at a time into the ``with`` block for this URI."""
    with FileLock(_writable("locks") / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"):
        yield


def _writable(room: str) -> Path:
    folder = cache_folder(room)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"adtrack's cache must be writable, but {folder} is not ({error.strerror}).", "ADTRACK_CACHE moves it."
        ) from error
    return folder


def without_password(uri: str) -> str:
    """The URI as it may be shown."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else uri


def _quieten() -> None:
    """Keep back what libraries say and a user can't act on."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("alembic", "mlflow.store", "mlflow.tracking", "mlflow.models", "mlflow.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow\.")


class Worker:
    """This process, while it works on runs: a lock that the system releases however the process ends."""

    def __init__(self) -> None:
        self._lock = FileLock(_writable("workers") / f"{uuid.uuid4().hex}.lock")
        self._lock.acquire()
        self.name = f"{socket.gethostname()}|{self._lock.lock_file}"

    def close(self) -> None:
        """Give up the lock; runs that still carry this worker's name count as left behind from now on."""
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


def end_left_behind(study: str) -> list[str]:
    """End the study's runs that are RUNNING although their process has gone; returns their ids.

    A trial that has its objective had done its work, or had been opened again to be tested: it is FINISHED.
    """
    client = MlflowClient()
    left = [
        run
        for run in search_runs(f"tags.`adtrack.study` = {quoted(study)} and attributes.status = 'RUNNING'")
        if is_gone(run.data.tags.get(WORKER_TAG))
    ]
    for run in left:
        done = run.data.tags.get("adtrack.role") == "trial" and "objective" in run.data.metrics
        status = RunStatus.FINISHED if done else RunStatus.KILLED
        client.set_terminated(run.info.run_id, RunStatus.to_string(status))
    return [run.info.run_id for run in left]


def search_runs(condition: str, order_by: tuple[str, ...] = ("attributes.start_time ASC",)) -> list:
    """All runs of all experiments that match ``condition``, page after page."""
    client = MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs, token = [], None
    while True:
        page = client.search_runs(experiments, condition, max_results=500, order_by=list(order_by), page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def quoted(text: str) -> str:
    """``text`` as a string literal of MLflow's search language, which knows no escapes."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    raise UserError(f"a class or study name must not hold both kinds of quotes, but got {text!r}.")


@contextlib.contextmanager
def working() -> Iterator[Worker]:
    """A Worker for the length of a ``with`` block."""
    worker = Worker()
    try:
        yield worker
    finally:
        worker.close()
