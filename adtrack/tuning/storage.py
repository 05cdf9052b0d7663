"""Optuna's storage of a study: opened, checked against data and specification, and put in order after a crash."""

import datetime
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from adtrack.errors import UserError
from adtrack.tracking.store import is_gone, one_at_a_time, without_password
from adtrack.tuning.space import WithoutRepeats, cell_of, interrupted

_HEARTBEAT, _GRACE = 60, 300  # seconds: how a worker on another machine shows that it lives
_NAMELESS = 10  # seconds: a trial gets its worker's name at once, unless it was killed in this very moment


def default_storage(tracking_uri: str) -> str:
    """``optuna.db`` beside the MLflow store if that is an SQLite file, else in the working directory."""
    prefix = "sqlite:///"
    beside = Path(tracking_uri.removeprefix(prefix)).parent if tracking_uri.startswith(prefix) else Path.cwd()
    return f"{prefix}{beside / 'optuna.db'}"


def open_study(
    url: str, name: str, sampler: WithoutRepeats, directions: Sequence[str], digests: dict[str, str]
) -> Study:
    """The study ``name``, made if need be; ``digests`` (of data and specification) must be those it was made with."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # at WARNING, Ctrl-C prints a traceback
    optuna.logging.disable_propagation()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        with one_at_a_time(url):  # processes that start together must not lay out the tables twice
            storage = RDBStorage(url, heartbeat_interval=_HEARTBEAT, grace_period=_GRACE)
            known = {summary.study_name for summary in optuna.get_all_study_summaries(storage=storage)}
            if name not in known:
                study = optuna.create_study(
                    storage=storage, sampler=sampler, study_name=name, directions=list(directions)
                )
                for key, digest in digests.items():
                    study.set_user_attr(key, digest)
            else:
                study = optuna.load_study(storage=storage, sampler=sampler, study_name=name)
    except Exception as error:  # SQLAlchemy's errors, a wrong URL, a missing driver
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"storage must be a database URL that Optuna can open, but {without_password(url)} is not ({first}).",
            "sqlite:///studies.db is a file in the working directory.",
        ) from error
    for key, digest in digests.items():
        found = study.user_attrs.get(key, "none")
        if found != digest:
            raise UserError(
                f"study {name} must go on with the {key.replace('_', ' ')} it began with, {found[:12]}, "
                f"but got {digest[:12]}.",
                "choose another study name, or leave it out: the default name holds both.",
            )
    return study


def put_in_order(study: Study, recover: Callable[[FrozenTrial], Sequence[float] | None]) -> None:
    """Settle the trials whose process has gone, and queue again what was interrupted.

    ``recover(trial)`` gives the values of a trial that had finished its work before the process died, else None.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_abandoned(trial):
            values = recover(trial)
            if values is None:
                study.tell(trial.number, state=TrialState.FAIL)
            else:
                study.tell(trial.number, values)
    optuna.storages.fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    retried = {trial.user_attrs.get("retry_of") for trial in trials}
    for trial in trials:
        if interrupted(trial) and cell_of(trial) and trial.number not in retried:
            study.enqueue_trial(cell_of(trial), user_attrs={"retry_of": trial.number})


def _is_abandoned(trial: FrozenTrial) -> bool:
    if "worker" in trial.user_attrs:
        return is_gone(trial.user_attrs["worker"])
    return (datetime.datetime.now() - trial.datetime_start).total_seconds() > _NAMELESS
