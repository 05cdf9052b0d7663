"""Opens the tracking store that the user means, and searches its runs."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run

from adtrack.errors import UserError
from adtrack.tracking.experiment import chosen_experiment
from adtrack.tracking.layout import is_half_laid, lay_out_store, mend_half_laid
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.moved import refuse_moved
from adtrack.tracking.places import is_server
from adtrack.tracking.sqlite import check_sqlite, sqlite_url
from adtrack.troubles import disk_trouble


def open_store() -> str:
    """Point MLflow to the store and return its URI. The store and the experiment for new runs are made if missing."""
    return _opened(chosen_experiment)


def reach_store() -> str:
    """Point MLflow to the store and return its URI, for callers that only need models.

    The experiment for new runs is neither made nor checked, since models stay usable when it is deleted.
    """
    return _opened(lambda: MlflowClient().search_experiments(max_results=1))


def _opened(look: Callable[[], object]) -> str:
    """Point MLflow to the store, call ``look`` to see whether it answers, and return the store's URI.

    Only one process at a time makes the tables of a new database, and it makes all of them or none. Processes that
    start together would otherwise fail because of each other's tables.
    """
    _quieten()
    uri = tracking_uri()
    try:
        check_sqlite(uri)
        with one_at_a_time(uri), few_retries():
            lay_out_store(uri)
            refuse_moved(uri)
            mlflow.set_tracking_uri(uri)
            look()
    except UserError:
        raise
    except Exception as error:  # whether SQLAlchemy, HTTP or a file raised it, the store cannot be used
        raise disk_trouble(error) or _unusable_store(uri, error) from error
    return uri


def _unusable_store(uri: str, error: Exception) -> UserError:
    """The error that tells the user why the store could not be opened."""
    with contextlib.suppress(Exception):  # a store that cannot be reached cannot be inspected either
        if not is_server(uri) and is_half_laid(uri):
            return UserError(
                f"the tracking store must have all of its tables, but {without_password(uri)} has only some: a program "
                "was killed while it made them. Nothing has been logged to it.",
                f"{mend_half_laid(uri)} If a program such as mlflow ui is making them right now, wait for it.",
            )
    remedy = "or unset it to use mlflow.db in the working directory."
    if is_server(uri):
        remedy = "and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD if the server asks for a login."
    return UserError(
        f"the tracking store must be reachable and writable, but {without_password(uri)} is not "
        f"({what_it_says(error, uri)}).",
        f"check MLFLOW_TRACKING_URI, {remedy}",
    )


def tracking_uri() -> str:
    """The URI of the store: MLFLOW_TRACKING_URI if it is set, else ``mlflow.db`` in the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url(Path.cwd() / "mlflow.db")


@contextlib.contextmanager
def few_retries() -> Iterator[None]:
    """Let MLflow give up on a server that does not answer after seconds.

    By default it tries again for minutes, which suits work that is under way. The user's own setting is kept.
    """
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    if name in os.environ:
        yield
        return
    os.environ[name] = "2"
    try:
        yield
    finally:
        del os.environ[name]


def without_password(uri: str) -> str:
    """The URI without user name, password and options, so that it may be shown."""
    scheme, _, rest = uri.partition("://")
    if not rest or scheme.startswith("sqlite"):
        return uri
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def what_it_says(error: Exception, uri: str) -> str:
    """The first line of an error of the store at ``uri``, without the password that it may contain."""
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    password = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    first = first.replace(uri, without_password(uri))
    for secret in filter(None, (password, unquote(password))):
        first = first.replace(secret, "…")
    return first[:300]


def _quieten() -> None:
    """Silence messages of libraries that a user can do nothing about."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # This logger writes the traceback of an error of the database, which MLflow raises as well.
    logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)
    for name in ("alembic", "mlflow.tracking", "mlflow.models", "mlflow.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow\.")


def search_runs(condition: str, order_by: tuple[str, ...] = ("attributes.start_time ASC",)) -> list[Run]:
    """All runs that match ``condition``, in all experiments."""
    client = MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(experiments, condition, max_results=500, order_by=list(order_by), page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def quoted(text: str) -> str:
    """``text`` as a string literal of MLflow's search language, which has no escape characters."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    raise UserError(f"a class or study name must not hold both kinds of quotes, but got {text!r}.")
