"""Optuna's storage of a study: opened, checked against data and specification, and put in order after a crash."""

import contextlib
import math
import os
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from adtrack.errors import UserError
from adtrack.tracking.layout import lay_out
from adtrack.tracking.locks import engine_options, one_at_a_time
from adtrack.tracking.sqlite import PREFIX, check_sqlite, sqlite_file, sqlite_url
from adtrack.tracking.store import what_it_says, without_password
from adtrack.tracking.workers import end_silent, is_gone
from adtrack.troubles import TroubleError, disk_trouble
from adtrack.tuning.heartbeat import GRACE, INTERVAL
from adtrack.tuning.sampling import cell_of, interrupted

VARIABLE = "ADTRACK_STORAGE"


def default_storage(tracking_uri: str) -> str:
    """ADTRACK_STORAGE, else ``optuna.db`` beside the MLflow store if that is an SQLite file, else in this folder."""
    store = sqlite_file(tracking_uri)
    return os.environ.get(VARIABLE) or sqlite_url((store.parent if store else Path.cwd()) / "optuna.db")


def check_url(url: str) -> None:
    """Refuse what is no database URL, without a look at the database."""
    try:
        sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise _unusable(url, error) from error


def _unusable(url: str, error: Exception) -> UserError:
    return UserError(
        f"storage must be a database URL that Optuna can open, but {without_password(url)} is not "
        f"({what_it_says(error, url)}).",
        "sqlite:///studies.db is a file in the working directory; pip install 'adtrack[server]' brings PostgreSQL's "
        "driver.",
    )


def open_study(
    url: str, known_as: Sequence[tuple[str, dict[str, str]]], sampler: BaseSampler, pruner: BasePruner, values: int
) -> Study:
    """The study that is ``known_as`` one of these names with the digests of its data and specification.

    It is the first of them that exists. If none does, the first one is made; it maximises so many ``values`` of each
    trial. UserError: the study of the first name was made with other digests.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # at WARNING, Ctrl-C prints a traceback
    optuna.logging.disable_propagation()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with Study.optimize")
    try:
        check_sqlite(url)
        with one_at_a_time(url):  # processes that start together must not lay out the tables twice
            lay_out(url, _optunas_tables)
            study, digests = _open(url, known_as, sampler, pruner, values)
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy's errors, a wrong URL, a missing driver
        raise disk_trouble(error) or _unusable(url, error) from error
    for key, digest in digests.items():
        found = study.user_attrs.get(key, "none")
        if found != digest:
            raise UserError(
                f"study {study.study_name} must go on with the {key.replace('_', ' ')} it began with, {found[:12]}, "
                f"but got {digest[:12]}.",
                "choose another study name, or leave it out: the default name holds both.",
            )
    return study


@contextlib.contextmanager
def reachable(url: str) -> Iterator[None]:
    """A database that goes away during the ``with`` block is a sentence, not a traceback."""
    try:
        yield
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise disk_trouble(error) or TroubleError(
            f"the study's storage must stay reachable, but {without_password(url)} no longer is "
            f"({what_it_says(cause, url)}).",
            "what is finished is kept; the same command goes on from there.",
        ) from error


def storage_options(url: str) -> dict[str, Any]:
    """How Optuna reaches the database, and how long a worker may be silent."""
    return {"engine_kwargs": engine_options(url), "heartbeat_interval": INTERVAL, "grace_period": GRACE}


def _open(
    url: str, known_as: Sequence[tuple[str, dict[str, str]]], sampler: BaseSampler, pruner: BasePruner, values: int
) -> tuple[Study, dict[str, str]]:
    _refuse_others_tables(url)
    storage = RDBStorage(url, **storage_options(url), heartbeat_stale_trial_callback=_end_run)
    there = {summary.study_name: summary.user_attrs for summary in optuna.get_all_study_summaries(storage=storage)}
    begun = [one for one in known_as if there.get(one[0], {}).get("spec_digest") == one[1]["spec_digest"]]
    name, digests = (*begun, *known_as)[0]
    if name in there:
        study = optuna.load_study(storage=storage, sampler=sampler, pruner=pruner, study_name=name)
    else:
        study = optuna.create_study(
            storage=storage, sampler=sampler, pruner=pruner, study_name=name, directions=["maximize"] * values
        )
        for key, digest in digests.items():
            study.set_user_attr(key, digest)
    if "key" not in study.user_attrs:
        study.set_user_attr("key", uuid.uuid4().hex)
    return study, digests


def _optunas_tables(url: str) -> None:
    storage = RDBStorage(url)
    storage.remove_session()
    storage.engine.dispose()


def _refuse_others_tables(url: str) -> None:
    """MLflow and Optuna both keep their layout's version in a table alembic_version."""
    engine = sqlalchemy.create_engine(url, **engine_options(url))
    tables = set(sqlalchemy.inspect(engine).get_table_names())
    engine.dispose()
    if "alembic_version" in tables and "version_info" not in tables:
        raise UserError(
            f"storage must be a database of its own, but {without_password(url)} holds another program's tables.",
            f"{PREFIX}studies.db is a file of its own in the working folder."
            if sqlite_file(url)
            else "CREATE DATABASE optuna makes one beside MLflow's in the same PostgreSQL.",
        )


def _end_run(study: Study, trial: FrozenTrial) -> None:
    """End the run of a trial whose worker on another machine has fallen silent; its retry has a run of its own."""
    end_silent(study.study_name, trial.number)


@dataclass(frozen=True)
class RecoveredTrial:
    """What the run of a trial says that had finished its work before its process died; see ``Outcome``."""

    values: Sequence[float]
    pruned: bool


def put_in_order(study: Study, recover: Callable[[FrozenTrial], RecoveredTrial | None]) -> None:
    """Settle the trials whose process has gone, and queue again what was interrupted.

    One process at a time may do this, and only while no other takes a trial. ``recover(trial)`` gives what a trial has
    found that had finished its work before the process died, else None.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_abandoned(trial):
            found = recover(trial)
            if found is None or any(map(math.isnan, found.values)):  # an older adtrack finished trials without a value
                study.tell(trial.number, state=TrialState.FAIL)
            elif found.pruned:
                study.tell(trial.number, state=TrialState.PRUNED)
            else:
                study.tell(trial.number, found.values)
    optuna.storages.fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    retried = {trial.user_attrs.get("retry_of") for trial in trials}
    for trial in trials:
        if interrupted(trial) and cell_of(trial) and trial.number not in retried:
            study.enqueue_trial(cell_of(trial), user_attrs={"retry_of": trial.number})


def _is_abandoned(trial: FrozenTrial) -> bool:
    # A trial gets its worker's name before another process may look: without one, it was killed in that very moment.
    return "worker" not in trial.user_attrs or is_gone(trial.user_attrs["worker"])
