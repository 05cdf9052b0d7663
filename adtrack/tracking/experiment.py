"""Chooses the experiment for new runs, and finds the run that ``mlflow run`` has made for this process."""

import os

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage, Run, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from adtrack.errors import UserError
from adtrack.tracking.places import artifact_root
from adtrack.tracking.tags import is_ours

EXPERIMENT = "adtrack"
_NAME, _ID, _RUN = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"
_DEFAULT = "0"  # the id of MLflow's "Default", into which "mlflow run" puts a run if no experiment is named
_UNKNOWN = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))


def chosen_experiment() -> str:
    """The id of the experiment for new runs, which is made if it is missing.

    It is the experiment that ``mlflow run --experiment-name``, MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID names,
    else ``adtrack``. MLflow's "Default" does not count as named. UserError if one of the variables is out of date,
    or if the experiment is deleted.
    """
    place = wanted_experiment()
    if isinstance(place, Experiment):
        return place.experiment_id
    try:
        return MlflowClient().create_experiment(place, artifact_root(mlflow.get_tracking_uri(), place))
    except MlflowException:  # another machine that started at the same moment may have made it
        made = _named(place)
        if made is None:
            raise
        return made.experiment_id


def wanted_experiment() -> Experiment | str:
    """The experiment for new runs if it exists, else the name that it will have. Nothing is made."""
    joined = _checked_run()
    place = _numbered(joined.info.experiment_id) if joined else _given()
    if place is None or (isinstance(place, Experiment) and place.experiment_id == _DEFAULT):
        place = _named(EXPERIMENT) or EXPERIMENT
    return place


def joined_run() -> str | None:
    """The id of the run that ``mlflow run`` has made for this process, None if there is none or it is taken."""
    return os.environ.get(_RUN) or None


def take_joined_run() -> str | None:
    """Take the run that ``mlflow run`` has made: return its id, and make ``joined_run`` return None from now on."""
    return os.environ.pop(_RUN, None) or None


def experiment_name(experiment: str) -> str:
    """The name of an experiment."""
    return MlflowClient().get_experiment(experiment).name


def _checked_run() -> Run | None:
    """The joined run. UserError if another command has used it, since the numbers of two commands would be mixed."""
    run_id = joined_run()
    if run_id is None:
        return None
    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as error:
        if error.error_code not in _UNKNOWN:
            raise
        raise _stale(_RUN, "a run of this tracking store", f"there is no run {run_id!r}") from error
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise _stale(_RUN, "a run that is not deleted", f"{run_id} is")
    if RunStatus.is_terminated(RunStatus.from_string(run.info.status)):
        raise _stale(_RUN, "a run that has just begun", f"{run_id} has ended ({run.info.status})")
    if any(map(is_ours, run.data.tags)):
        raise _stale(_RUN, "a run that has just begun", f"another command has logged to {run_id}")
    return run


def _given() -> Experiment | str | None:
    """The experiment that the environment variables name, its name if it does not exist yet, or None."""
    name, number = os.environ.get(_NAME), os.environ.get(_ID)
    named = (_named(name, _NAME) or name) if name else None
    numbered = _numbered(number, _ID) if number else None
    if named and numbered and not (isinstance(named, Experiment) and named.experiment_id == numbered.experiment_id):
        raise _stale(_ID, f"the same experiment as {_NAME}", f"{number} is {numbered.name!r} and not {name!r}")
    return named or numbered


def _named(name: str, variable: str = "") -> Experiment | None:
    found = MlflowClient().get_experiment_by_name(name)
    return found and _alive(found, variable)


def _numbered(number: str, variable: str = "") -> Experiment:
    try:
        return _alive(MlflowClient().get_experiment(number), variable)
    except MlflowException as error:
        if error.error_code not in _UNKNOWN:
            raise
        raise _stale(_ID, "an experiment of this tracking store", f"there is no experiment {number!r}") from error


def _alive(experiment: Experiment, variable: str) -> Experiment:
    """The experiment itself. UserError if it is deleted; the sentence mentions ``variable`` if that named it."""
    if experiment.lifecycle_stage == LifecycleStage.ACTIVE:
        return experiment
    if variable:
        raise deleted_experiment(
            f"{variable} must name an experiment that is not deleted", experiment, f"unset {variable}"
        )
    raise deleted_experiment("the experiment for runs must not be deleted", experiment, f"name another one by {_NAME}")


def deleted_experiment(rule: str, experiment: Experiment, instead: str) -> UserError:
    """The error for an experiment that is needed but deleted."""
    number = experiment.experiment_id
    return UserError(
        f"{rule}, but {experiment.name!r} is.",
        f"restore it with all its runs: mlflow experiments restore --experiment-id {number}; or {instead}.",
    )


def _stale(variable: str, rule: str, found: str) -> UserError:
    makes = "mlflow run sets it by itself" if variable == _RUN else f"runs go to experiment {EXPERIMENT} then"
    return UserError(f"{variable} must name {rule}, but {found}.", f"unset {variable}: {makes}.")
