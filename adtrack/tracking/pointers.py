"""Turns a run that ``mlflow run`` has made in another experiment into a pointer to the run that is logged to."""

import contextlib
from collections.abc import Iterator, Mapping

from mlflow import MlflowClient
from mlflow.entities import RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from adtrack.tracking.experiment import experiment_name
from adtrack.tracking.run import Run
from adtrack.tracking.store import few_retries
from adtrack.tracking.tags import LOGGED_IN, NOTE, ROLE


@contextlib.contextmanager
def pointing(pointer: str | None, run: Run, tags: Mapping[str, str]) -> Iterator[None]:
    """Make the page of the run ``pointer`` link to ``run``, and end ``pointer`` when the ``with`` block ends.

    Its status says how the block ended. It keeps the parameters of the call, which ``mlflow run`` has logged to it.
    """
    if pointer is None:
        yield
        return
    name, place = MlflowClient().get_run(run.run_id).info.run_name, experiment_name(run.experiment_id)
    page = f"#/experiments/{run.experiment_id}/runs/{run.run_id}"
    texts = {
        **tags,
        ROLE: "pointer",
        LOGGED_IN: run.run_id,
        MLFLOW_RUN_NAME: f"{name} (see experiment {place})",
        NOTE: f"See experiment {place}: [{name}]({page}). This run holds the parameters of the call.",
    }
    MlflowClient().log_batch(pointer, tags=[RunTag(*text) for text in texts.items()])
    status = RunStatus.FAILED
    try:
        yield
        status = RunStatus.FINISHED
    except KeyboardInterrupt:
        status = RunStatus.KILLED
        raise
    finally:
        # mlflow run ends the pointer as well, and an error here must not hide an earlier one.
        with contextlib.suppress(Exception), few_retries():
            MlflowClient().set_terminated(pointer, RunStatus.to_string(status))
