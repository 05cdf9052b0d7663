"""Checks whether the tracking store exists, can be written to and is up to date. They change nothing."""

import os
from functools import partial
from pathlib import Path

import mlflow
import sqlalchemy
from mlflow import MlflowClient
from mlflow.store.db import utils as database
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from adtrack.findings import BROKEN, NOTE, Check, Finding
from adtrack.naming import argument
from adtrack.tracking.layout import database_tables, is_half_laid, mend_half_laid, move_aside
from adtrack.tracking.locks import engine_options
from adtrack.tracking.places import is_server, local_folder
from adtrack.tracking.sqlite import check_sqlite, sqlite_file
from adtrack.tracking.store import what_it_says, without_password

GROUP = "Tracking store"
_SECONDS = 5  # a server that takes longer to answer counts as unreachable


def look_at_store(uri: str) -> tuple[Check, bool]:
    """The check of the store at ``uri``, and whether further checks can ask it. No store is made."""
    shown = without_password(uri)
    try:
        check_sqlite(uri)
        detail, findings, usable = _server(uri) if is_server(uri) else _database(uri)
    except Exception as error:  # whether SQLAlchemy, HTTP or a file raised it, the store cannot be used
        finding = Finding(
            BROKEN,
            f"the tracking store cannot be reached or written to ({what_it_says(error, uri)})",
            "No verb that logs or looks up runs and models works.",
            "Start the server or database, check MLFLOW_TRACKING_URI (and MLFLOW_TRACKING_USERNAME and _PASSWORD) and "
            "who may write to the file and its folder.",
        )
        return Check(GROUP, "store", shown, (finding,)), False
    if usable:
        mlflow.set_tracking_uri(uri)
    return Check(GROUP, "store", f"{shown}{detail}", findings), usable


def _server(uri: str) -> tuple[str, tuple[Finding, ...], bool]:
    response = http_request(get_default_host_creds(uri), "/version", "GET", timeout=_SECONDS, max_retries=0)
    theirs = response.text if response.status_code == 200 else "unknown"
    MlflowClient(uri).search_experiments(max_results=1)  # fails if the server rejects our name and password
    if theirs.split(".")[:2] == mlflow.__version__.split(".")[:2]:
        return f" (MLflow {theirs})", (), True
    finding = Finding(
        NOTE,
        f"the server's MLflow is {theirs}, this one is {mlflow.__version__}",
        "Calls that only one of the two versions knows fail. Logged models need MLflow 3 on both sides.",
        "Run the server with the version of MLflow that pyproject.toml asks for.",
    )
    return f" (MLflow {theirs})", (finding,), True


def _database(uri: str) -> tuple[str, tuple[Finding, ...], bool]:
    if "experiments" not in database_tables(uri):
        finding = Finding(
            NOTE,
            "there is no tracking store here yet",
            "Nothing has been logged from this folder. The first build-bank or tune makes the store.",
            "If there should be one, go to the folder that holds its mlflow.db, or set MLFLOW_TRACKING_URI.",
        )
        return ": no store yet", (finding,), False
    engine = database.create_sqlalchemy_engine(uri)
    try:
        # MLflow has no public function that returns a schema version, and its client would migrate an old database.
        found, expected = database._get_schema_version(engine), database._get_latest_schema_revision()
        _check_writable(engine)
    finally:
        engine.dispose()
    if found == expected:
        return " (schema up to date)", (), True
    if is_half_laid(uri):
        return "", (_half_laid(uri),), False
    finding = Finding(
        BROKEN,
        f"the store's schema is {found}, and MLflow {mlflow.__version__} needs {expected}",
        "Another version of MLflow made the tables. This version refuses to use them.",
        "If that was an older MLflow, copy the database, then run: "
        f"mlflow db upgrade {argument(without_password(uri))}. If it was a newer MLflow, install that version.",
    )
    return "", (finding,), False


def _half_laid(uri: str) -> Finding:
    in_file = sqlite_file(uri) is not None
    return Finding(
        BROKEN if in_file else NOTE,
        "only some of the store's tables exist, and nothing has been logged to it",
        "A program was killed while it made the tables, or a program is making them right now. No data are lost.",
        mend_half_laid(uri),
        mend=partial(move_aside, uri) if in_file else None,
    )


def _check_writable(engine: sqlalchemy.Engine) -> None:
    """Raise an error if the database can't be written to. The update needs that right, but matches no row."""
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("UPDATE experiments SET name = name WHERE 1 = 0"))
        connection.rollback()
    if engine.url.get_backend_name() == "sqlite" and engine.url.database:
        folder = Path(engine.url.database).absolute().parent
        if not os.access(folder, os.W_OK):  # SQLite writes its journal into this folder
            raise PermissionError(f"no right to write to {folder}")


def local_places(uri: str) -> dict[str, Path]:
    """The folders on this machine that hold the database of the store and its artifacts; none for a server."""
    if is_server(uri) or "experiments" not in database_tables(uri):
        return {}
    engine = sqlalchemy.create_engine(uri, **engine_options(uri))
    with engine.connect() as connection:
        roots = connection.execute(sqlalchemy.text("SELECT artifact_location FROM experiments")).scalars().all()
    engine.dispose()
    file = sqlite_file(uri)
    places = {"store": file.absolute().parent} if file else {}
    folders = [folder for folder in map(local_folder, roots) if folder]
    return places | ({"artifacts": folders[-1]} if folders else {})
