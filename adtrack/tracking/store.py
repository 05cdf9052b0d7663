"""Which tracking store is used, and who is at work in it."""

import contextlib
import logging
import os
import socket
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import mlflow
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException

from adtrack.errors import UserError
from adtrack.tracking.locks import one_at_a_time, writable

EXPERIMENT = "adtrack"
WORKER_TAG = "adtrack.worker"


def open_store() -> str:
    """Point MLflow to the store and make sure that it exists; returns its URI.

    MLFLOW_TRACKING_URI decides, else ``mlflow.db`` in the working directory. A new database is laid out by one
    process at a time: several that start together would stumble over each other's tables.
    """
    _quieten()
    uri = tracking_uri()
    try:
        with one_at_a_time(uri), _soon():
            mlflow.set_tracking_uri(uri)
            if _experiment_is_given():
                MlflowClient().search_experiments(max_results=1)
            else:
                _enter_experiment()
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, HTTP and file errors alike: the store is not to be had
        remedy = "or unset it to use mlflow.db in the working directory."
        if is_server(uri):
            remedy = "and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD if the server asks who you are."
        raise UserError(
            f"the tracking store must be reachable and writable, but {without_password(uri)} is not "
            f"({what_it_says(error, uri)}).",
            f"check MLFLOW_TRACKING_URI, {remedy}",
        ) from error
    return uri


def tracking_uri() -> str:
    """The store that is meant: MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def is_server(uri: str) -> bool:
    """Whether the store is behind ``mlflow server``, which other machines may use too."""
    return uri.startswith(("http://", "https://"))


@contextlib.contextmanager
def _soon() -> Iterator[None]:
    """Whether a server answers at all is known after seconds; MLflow's patience of minutes is for work under way."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    if name in os.environ:
        yield
        return
    os.environ[name] = "2"
    try:
        yield
    finally:
        del os.environ[name]


def _experiment_is_given() -> bool:
    # Under "mlflow run" the run exists already, and with it its experiment.
    return any(os.environ.get(name) for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"))


def _enter_experiment() -> None:
    if MlflowClient().get_experiment_by_name(EXPERIMENT) is None:
        # Of several machines that begin at once, one makes it. set_experiment would leave the others in "Default".
        with contextlib.suppress(MlflowException):
            MlflowClient().create_experiment(EXPERIMENT)
    mlflow.set_experiment(EXPERIMENT)


def without_password(uri: str) -> str:
    """The URI as it may be shown: without name, password and options."""
    scheme, _, rest = uri.partition("://")
    if not rest or scheme.startswith("sqlite"):
        return uri
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def what_it_says(error: Exception, uri: str) -> str:
    """The first line of an error of the store or database at ``uri``, fit to be shown."""
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    password = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    first = first.replace(uri, without_password(uri))
    for secret in filter(None, (password, unquote(password))):
        first = first.replace(secret, "…")
    return first[:300]


def _quieten() -> None:
    """Keep back what libraries say and a user can't act on."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("alembic", "mlflow.store", "mlflow.tracking", "mlflow.models", "mlflow.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow\.")


class Worker:
    """This process, while it works on runs: a lock that the system releases however the process ends."""

    def __init__(self) -> None:
        self._lock = FileLock(writable("workers") / f"{uuid.uuid4().hex}.lock")
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


def end_killed(run_id: str) -> None:
    """End a run whose process was on another machine and has fallen silent."""
    with contextlib.suppress(MlflowException):  # somebody has deleted it
        MlflowClient().set_terminated(run_id, RunStatus.to_string(RunStatus.KILLED))


def hold_run(run_id: str, worker: Worker) -> None:
    """Say that ``worker`` is at work below this run: another one that shared it may have been stopped meanwhile."""
    MlflowClient().update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    MlflowClient().set_tag(run_id, WORKER_TAG, worker.name)


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
