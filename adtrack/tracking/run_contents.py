"""What the store holds of a run, read by the run's id: parameters, metrics, tags and files."""

import functools
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from adtrack.errors import UserError
from adtrack.troubles import trouble


def run_params(run_id: str) -> dict[str, str]:
    """The parameters of a run."""
    params: dict[str, str] = MlflowClient().get_run(run_id).data.params
    return params


def run_metrics(run_id: str) -> dict[str, float]:
    """The latest value of each metric of a run."""
    metrics: dict[str, float] = MlflowClient().get_run(run_id).data.metrics
    return metrics


def metric_curve(run_id: str, key: str) -> dict[int, float]:
    """The values of a metric by their steps; none if the run does not have it."""
    return {point.step: point.value for point in MlflowClient().get_metric_history(run_id, key)}


def run_tags(run_id: str) -> dict[str, str]:
    """The tags of a run."""
    tags: dict[str, str] = MlflowClient().get_run(run_id).data.tags
    return tags


def run_experiment(run_id: str) -> str:
    """The id of the experiment that a run belongs to."""
    experiment: str = MlflowClient().get_run(run_id).info.experiment_id
    return experiment


def has_file(run_id: str, path: str) -> bool:
    """Whether a run has an artifact at this place."""
    folder = path.rpartition("/")[0] or None
    return path in {item.path for item in MlflowClient().list_artifacts(run_id, folder)}


def run_file(run_id: str, path: str) -> Path:
    """A file among a run's artifacts. UserError if it is not there."""
    try:
        return Path(fetched(run_id, path))
    except (MlflowException, OSError) as error:
        raise trouble(error) or UserError(
            f"run {run_id} must have the artifact {path}, but it cannot be read ({str(error).splitlines()[0]}).",
            "adtrack doctor shows what else has gone.",
        ) from error


def fetched(run_id: str, path: str) -> str:
    """A file among a run's artifacts: the file itself if the store is on this machine, else a copy that is removed when
    the process ends. MlflowException or OSError if it is not there."""
    repository = get_artifact_repository(MlflowClient().get_run(run_id).info.artifact_uri)
    is_here = isinstance(repository, LocalArtifactRepository)
    place: str = repository.download_artifacts(path, None if is_here else tempfile.mkdtemp(dir=_scratch().name))
    return place


@functools.cache
def _scratch() -> "tempfile.TemporaryDirectory[str]":
    """Where copies lie. Without a folder of ours, MLflow leaves every copy behind."""
    return tempfile.TemporaryDirectory(prefix="adtrack-")
