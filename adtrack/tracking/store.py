"""Which tracking store is used, and how its runs are found."""

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
    """Point MLflow to the store, and make the store and the experiment that runs go to if need be; returns the store's
    URI."""
    return _opened(chosen_experiment)


def reach_store() -> str:
    """The same without a look at experiments, for who only needs models: they outlive the experiment they come from."""
    return _opened(lambda: MlflowClient().search_experiments(max_results=1))


def _opened(look: Callable[[], object]) -> str:
    """Point MLflow to the store, take a first look, and return its URI.

    MLFLOW_TRACKING_URI decides, else ``mlflow.db`` in the working directory. A new database is laid out by one
    process at a time, whole or not at all: several that start together would stumble over each other's tables.
    """
    _quieten()
    uri = tracking_uri()
    try:
        check_sqlite(uri)
        with one_at_a_time(uri), soon():
            lay_out_store(uri)
            refuse_moved(uri)
            mlflow.set_tracking_uri(uri)
            look()
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, HTTP and file errors alike: the store is not to be had
        raise disk_trouble(error) or _not_to_be_had(uri, error) from error
    return uri


def _not_to_be_had(uri: str, error: Exception) -> UserError:
    """The sentence for a store that could not be opened because of ``error``."""
    with contextlib.suppress(Exception):  # then it cannot be looked into either
        if not is_server(uri) and is_half_laid(uri):
            return UserError(
                f"the tracking store must be whole, but {without_password(uri)} is half laid out: a program was killed "
                "while it made the tables. Nothing has been logged to it.",
                f"{mend_half_laid(uri)} Are they being made right now, by mlflow ui for instance? Then wait for it.",
            )
    remedy = "or unset it to use mlflow.db in the working directory."
    if is_server(uri):
        remedy = "and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD if the server asks who you are."
    return UserError(
        f"the tracking store must be reachable and writable, but {without_password(uri)} is not "
        f"({what_it_says(error, uri)}).",
        f"check MLFLOW_TRACKING_URI, {remedy}",
    )


def tracking_uri() -> str:
    """The store that is meant: MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url(Path.cwd() / "mlflow.db")


@contextlib.contextmanager
def soon() -> Iterator[None]:
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
    logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)  # a database's error with its traceback: it is raised
    for name in ("alembic", "mlflow.tracking", "mlflow.models", "mlflow.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow\.")


def search_runs(condition: str, order_by: tuple[str, ...] = ("attributes.start_time ASC",)) -> list[Run]:
    """All runs of all experiments that match ``condition``, page after page."""
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
    """``text`` as a string literal of MLflow's search language, which knows no escapes."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    raise UserError(f"a class or study name must not hold both kinds of quotes, but got {text!r}.")
