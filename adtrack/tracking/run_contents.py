"""What the store holds of a run, read by the run's id: parameters, metrics, tags and files."""

from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

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
    """A file among a run's artifacts, fetched if the store is elsewhere. UserError if it is not there."""
    try:
        return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path))
    except (MlflowException, OSError) as error:
        raise trouble(error) or UserError(
            f"run {run_id} must have the artifact {path}, but it cannot be read ({str(error).splitlines()[0]}).",
            "adtrack doctor shows what else has gone.",
        ) from error
